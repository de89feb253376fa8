"""Short runs of the toy method, and what they left."""

import dataclasses
import json
import pathlib

import jax
import numpy as np
import rich.console

from dehaze_jax.data import DataConfig
from dehaze_jax.methods.config import OptimiserConfig
from dehaze_jax.training import MeshConfig, TrainConfig

QUIET = rich.console.Console(quiet=True)
SPEEDS = {"images_per_second", "seconds_per_step", "data_seconds_per_step"}


def make_config(workdir, **changes) -> TrainConfig:
    return dataclasses.replace(
        TrainConfig(
            data=DataConfig(train=("toy",), batch_size=4, crop_size=8),
            optimiser=OptimiserConfig(learning_rate=0.05),
            workdir=str(workdir),
            steps=12,
            log_every=3,
            save_every=4,
            evaluate_every=6,
            mesh=MeshConfig(data=1),
        ),
        **changes,
    )


def metrics(workdir) -> list[dict]:
    lines = (pathlib.Path(workdir) / "metrics.jsonl").read_text().splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if name not in SPEEDS}
        for line in lines
    ]


def assert_same_bits(a, b):
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(a), jax.device_get(b))
