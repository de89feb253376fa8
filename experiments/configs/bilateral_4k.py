"""Bilateral learning on 4K frames stored as tiles; prepare the data as `dehazeflow_4k.py` says.

    dehaze-jax train experiments/configs/bilateral_4k.py --workdir runs/bilateral_4k
    dehaze-jax train experiments/configs/bilateral_4k.py:short --workdir runs/short_4k

Variants as there.
"""

import dataclasses

from dehazeflow_4k import data_4k, shorten

from dehaze_jax.methods import BilateralConfig, OptimiserConfig
from dehaze_jax.training import TrainConfig


def get_config(variant: str = "base") -> TrainConfig:
    """`base` (4KID), `rendered` (landscapes) or `short`."""
    base = TrainConfig(
        method=BilateralConfig(),
        data=data_4k("prepared/uhd_4kid"),
        optimiser=OptimiserConfig(learning_rate=1e-3),
        steps=40_000,
        evaluate_every=2000,
        save_every=2000,
    )
    rendered = dataclasses.replace(base, data=data_4k("prepared/landscapes_4k"))
    return {"base": base, "rendered": rendered, "short": shorten(rendered)}[variant]
