"""Training from scratch, or fine-tuning, on prepared pairs of your own.

    dehaze-jax prepare paired_folder --from my_pairs --to prepared/mine
    dehaze-jax train experiments/configs/your_pairs.py --workdir runs/mine
    dehaze-jax train experiments/configs/your_pairs.py:fine_tune --workdir runs/tuned
    dehaze-jax train experiments/configs/your_pairs.py:bilateral --workdir runs/bilateral

Flow matching and a loss through the solver on 256-pixel crops. On two CPU cores a step takes
seconds: use a GPU, or `fine_tune`, or `smoke`, which takes a minute.
"""

import dataclasses

from dehaze_jax.data import DataConfig
from dehaze_jax.methods import BilateralConfig, DehazeFlowConfig, OptimiserConfig
from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig
from dehaze_jax.training import TrainConfig


def get_config(variant: str = "base") -> TrainConfig:
    """`base`: from scratch; `fine_tune`, `bilateral`: from weights that ship; `smoke`: tiny."""
    data = DataConfig(train=("prepared/mine",), validation=("prepared/mine",))
    tune = OptimiserConfig(learning_rate=2e-4, warmup_steps=50, ema_decay=0.99)
    variants = {
        "base": TrainConfig(data=data, optimiser=OptimiserConfig(learning_rate=1e-3), steps=20_000),
        "fine_tune": TrainConfig(
            data=data,
            optimiser=tune,
            steps=1000,
            init_from="dehazeflow",
            evaluate_every=250,
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
