"""4KDehazeFlow, small: the recipe of the weights that ship as `dehazeflow`.

Three stages. Flow matching alone brings the field near quickly; a loss through the solver makes it
right on the states that a solve really visits; landscapes with rendered haze then widen what it
has seen:

    python experiments/weights/prepare_pairs.py --from DATA --to prepared
    dehaze-jax prepare rendered_haze/landscapes --to prepared/landscapes --scenes 30 --seed 1000
    dehaze-jax train experiments/configs/dehazeflow.py:matching --workdir runs/matching
    dehaze-jax train experiments/configs/dehazeflow.py:solver --workdir runs/solver
    dehaze-jax train experiments/configs/dehazeflow.py --workdir runs/dehazeflow
    python experiments/weights/release.py --run runs/dehazeflow --name dehazeflow

The sizes fit two CPU cores: under an hour for all stages. `smoke` takes a minute.
"""

import dataclasses

from dehaze_jax.data import DataConfig
from dehaze_jax.methods import DehazeFlowConfig, OptimiserConfig
from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig
from dehaze_jax.training import TrainConfig

# Share of the batches that each set gets: the real sets are small and varied, the rendered easy.
PAIRS = {
    "prepared/o-haze_800": 3.0,
    "prepared/i-haze_800": 2.0,
    "prepared/nh-haze_800": 4.0,
    "prepared/nh-haze2_800": 2.0,
    "prepared/sots-outdoor": 3.0,
    "prepared/sots-indoor": 2.0,
}
RENDERED = {"prepared/landscapes": 4.0}


def _data(sets: dict[str, float]) -> DataConfig:
    return DataConfig(
        train=tuple(sets),
        weights=tuple(sets.values()),
        validation=tuple(PAIRS),
        batch_size=8,
        crop_size=192,
        crop_scale=(0.5, 1.0),
        rotations=False,
    )


def get_config(variant: str = "base") -> TrainConfig:
    """Stages `matching`, `solver` and `base`, each from the one before; or `smoke`."""
    matching = DehazeFlowConfig(objective=ObjectiveConfig(kind="matching"))
    both = DehazeFlowConfig(objective=ObjectiveConfig(kind="both"))
    fine = OptimiserConfig(learning_rate=5e-4, warmup_steps=50, ema_decay=0.995)
    variants = {
        "matching": TrainConfig(
            method=matching,
            data=_data(PAIRS),
            optimiser=OptimiserConfig(learning_rate=1e-3, ema_decay=0.998),
            steps=2400,
        ),
        "solver": TrainConfig(
            method=both,
            data=_data(PAIRS),
            optimiser=fine,
            steps=400,
            save_every=200,
            init_from="runs/matching",
        ),
        "base": TrainConfig(
            method=both,
            data=_data({**PAIRS, **RENDERED}),
            optimiser=fine,
            steps=400,
            seed=1,
            save_every=100,
            init_from="runs/solver",
        ),
        "smoke": TrainConfig(
            method=dataclasses.replace(matching, width=8),
            data=_data(PAIRS),
            steps=20,
            validation_pictures=1,
        ),
    }
    return variants[variant]
