r"""Training from scratch, or fine-tuning, on pictures of your own.

    dehaze-jax prepare paired_folder --from my_pairs --to prepared/mine
    dehaze-jax train experiments/configs/your_pairs.py --workdir runs/mine
    dehaze-jax train experiments/configs/your_pairs.py:fine_tune --workdir runs/tuned
    dehaze-jax train experiments/configs/your_pairs.py:bilateral --workdir runs/bilateral
    dehaze-jax train experiments/configs/your_pairs.py:unpaired --workdir runs/unpaired \
        --data.train my_hazy --data.clear my_clear
    dehaze-jax train experiments/configs/your_pairs.py:clear --workdir runs/clear \
        --data.clear my_clear

From scratch a larger field learns by flow matching and a loss through the solver, on 256-pixel
crops. On two CPU cores a step takes seconds: use a GPU, or `fine_tune`, which goes on with the
weights that ship, or `smoke`, which takes a minute or two, nearly all of it compiling.
`unpaired` learns from two folders of pictures that have nothing to do with each other. `clear`
needs clear pictures alone: haze is rendered onto them in every step.
"""

import dataclasses

from dehaze_jax.data import DataConfig
from dehaze_jax.haze import HazeConfig
from dehaze_jax.methods import (
    BilateralConfig,
    DehazeFlowConfig,
    NedrConfig,
    NedrObjectiveConfig,
    OptimiserConfig,
)
from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig
from dehaze_jax.training import TrainConfig


def get_config(variant: str = "base") -> TrainConfig:
    """From scratch: `base`, `smoke` (tiny); from weights that ship: all others."""
    data = DataConfig(train=("prepared/mine",), validation=("prepared/mine",))
    tune = OptimiserConfig(learning_rate=2e-4, warmup_steps=50, ema_decay=0.99)
    # The model of the weights that ship, and what they were trained on.
    flow = DehazeFlowConfig(
        backbone="attention",
        proxy_size=64,
        time_features=32,
        objective=ObjectiveConfig(kind="rollout"),
    )
    variants = {
        "base": TrainConfig(data=data, optimiser=OptimiserConfig(learning_rate=1e-3), steps=20_000),
        "fine_tune": TrainConfig(
            method=flow,
            data=dataclasses.replace(data, crop_size=128),
            optimiser=tune,
            steps=1000,
            init_from="dehazeflow",
            evaluate_every=250,
            save_every=250,
        ),
        "clear": TrainConfig(
            method=flow,
            data=DataConfig(clear=("my_clear",), crop_size=128, rotations=False),
            haze=HazeConfig(),
            optimiser=tune,
            steps=1000,
            init_from="dehazeflow",
            save_every=250,
        ),
        "bilateral": TrainConfig(
            method=BilateralConfig(),
            data=dataclasses.replace(data, crop_size=128),
            optimiser=tune,
            steps=1000,
            init_from="bilateral",
            evaluate_every=250,
            save_every=250,
        ),
        "unpaired": TrainConfig(
            method=NedrConfig(
                objective=NedrObjectiveConfig(adversarial_weight=0.4, critic_rate=0.3)
            ),
            data=DataConfig(
                train=("my_hazy",), clear=("my_clear",), crop_size=128, rotations=False
            ),
            optimiser=OptimiserConfig(learning_rate=1e-4, b1=0.5, warmup_steps=50, ema_decay=0.99),
            steps=1000,
            init_from="nedr",
            save_every=250,
        ),
        "smoke": TrainConfig(
            method=DehazeFlowConfig(
                proxy_size=32, grid_size=4, width=8, objective=ObjectiveConfig(kind="matching")
            ),
            data=DataConfig(
                train=data.train, validation=data.validation, batch_size=4, crop_size=64
            ),
            steps=20,
            log_every=10,
        ),
    }
    return variants[variant]
