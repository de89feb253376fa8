r"""4KDehazeFlow on 4K frames stored as tiles, of which a crop decodes only those it touches.

    dehaze-jax prepare uhd_4kid --from DIR --to prepared/uhd_4kid --tiles 512
    dehaze-jax train experiments/configs/dehazeflow_4k.py --workdir runs/dehazeflow_4k

Without that set, on procedural scenes that are rendered at 4K:

    dehaze-jax prepare rendered_haze/landscapes --to prepared/landscapes_4k \
        --size 2160 3840 --scenes 40 --hazes 2 --tiles 512
    dehaze-jax train experiments/configs/dehazeflow_4k.py:rendered --workdir runs/dehazeflow_4k
    dehaze-jax train experiments/configs/dehazeflow_4k.py:short --workdir runs/short_4k

`base` and `rendered` are for GPUs; `short` is twenty steps of `rendered` at batch 2. Every line of
a run's metrics splits the time of a step: `data_seconds_per_step` of `seconds_per_step` were spent
waiting for a batch.
"""

import dataclasses

from dehaze_jax.data import DataConfig
from dehaze_jax.methods import DehazeFlowConfig, OptimiserConfig
from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig
from dehaze_jax.training import TrainConfig


def data_4k(prepared: str) -> DataConfig:
    """Crops of 512 pixels as they are, read by four processes."""
    return DataConfig(
        train=(prepared,),
        validation=(prepared,),
        batch_size=16,
        crop="native",
        crop_size=512,
        workers=4,
    )


def shorten(config: TrainConfig) -> TrainConfig:
    """Twenty steps that two CPU cores can do."""
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, batch_size=2, workers=1),
        steps=20,
        log_every=5,
        save_every=20,
        evaluate_every=20,
        validation_pictures=1,
    )


def get_config(variant: str = "base") -> TrainConfig:
    """`base` (4KID), `rendered` (landscapes) or `short`."""
    base = TrainConfig(
        method=DehazeFlowConfig(objective=ObjectiveConfig(kind="both")),
        data=data_4k("prepared/uhd_4kid"),
        optimiser=OptimiserConfig(learning_rate=5e-4),
        steps=40_000,
        evaluate_every=2000,
        save_every=2000,
    )
    rendered = dataclasses.replace(base, data=data_4k("prepared/landscapes_4k"))
    return {"base": base, "rendered": rendered, "short": shorten(rendered)}[variant]
