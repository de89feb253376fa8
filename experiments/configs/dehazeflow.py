"""4KDehazeFlow, small: the recipe of the weights that ship as `dehazeflow`.

Two stages. Flow matching alone brings the field near quickly; then a loss through the solver, so
that the field is right on the states that a solve really visits:

    python experiments/weights/prepare_pairs.py --from DATA --to prepared
    dehaze-jax train experiments/configs/dehazeflow.py:matching --workdir runs/matching
    dehaze-jax train experiments/configs/dehazeflow.py:base --workdir runs/dehazeflow

The sizes fit two CPU cores: about half an hour for both stages. `smoke` takes a minute.
"""

from dehaze_jax.data import DataConfig
from dehaze_jax.methods import DehazeFlowConfig, OptimiserConfig
from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig
from dehaze_jax.training import TrainConfig

# Share of the batches that each set gets: the real sets are small and varied, the rendered easy.
SETS = {
    "prepared/o-haze_800": 3.0,
    "prepared/i-haze_800": 2.0,
    "prepared/nh-haze_800": 4.0,
    "prepared/nh-haze2_800": 2.0,
    "prepared/sots-outdoor": 3.0,
    "prepared/sots-indoor": 2.0,
}


def get_config(variant: str = "base") -> TrainConfig:
    """Stages `matching` and `base`, which starts from the first, or `smoke`."""
    data = DataConfig(
        train=tuple(SETS),
        weights=tuple(SETS.values()),
        validation=tuple(SETS),
        batch_size=8,
        crop_size=192,
        crop_scale=(0.5, 1.0),
        rotations=False,
    )
    stages = {
        "matching": TrainConfig(
            method=DehazeFlowConfig(objective=ObjectiveConfig(kind="matching")),
            data=data,
            optimiser=OptimiserConfig(learning_rate=1e-3, ema_decay=0.998),
            steps=2400,
        ),
        "base": TrainConfig(
            method=DehazeFlowConfig(objective=ObjectiveConfig(kind="both")),
            data=data,
            optimiser=OptimiserConfig(learning_rate=5e-4, warmup_steps=50, ema_decay=0.995),
            steps=400,
            init_from="runs/matching",
            save_every=200,
        ),
        "smoke": TrainConfig(
            method=DehazeFlowConfig(width=8, objective=ObjectiveConfig(kind="matching")),
            data=data,
            steps=20,
            validation_pictures=1,
        ),
    }
    return stages[variant]
