"""A small NeDR under the real loop on two devices, on unpaired pictures in folders: stopped runs.

Of the methods it has most state to lose: three optimisers, and statistics beside the parameters.
"""

import dataclasses
import json
import typing

import jax
import numpy as np
import pytest
import rich.console
from PIL import Image
from tiny_nedr import TINY, pictures

from dehaze_jax.data import DataConfig
from dehaze_jax.methods import OptimiserConfig
from dehaze_jax.methods.protocol import TrainState
from dehaze_jax.training import MeshConfig, TrainConfig, train

QUIET = rich.console.Console(quiet=True)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.devices,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("compile_once"),
]


class Run(typing.NamedTuple):
    state: TrainState
    log: list[dict]
    devices: int


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    root = tmp_path_factory.mktemp("bags")
    for bag, count in (("hazy", 5), ("clear", 3)):
        (root / bag).mkdir()
        for number, picture in enumerate(pictures(len(bag), count, 72, 80)):
            Image.fromarray(np.uint8(picture * 255)).save(root / bag / f"{number}.png")
    return TrainConfig(
        method=TINY,
        data=DataConfig(
            train=(str(root / "hazy"),), clear=(str(root / "clear"),), batch_size=2, crop_size=64
        ),
        optimiser=OptimiserConfig(learning_rate=1e-3, warmup_steps=0),
        steps=3,
        log_every=1,
        save_every=1,
        mesh=MeshConfig(data=2),
    )


@pytest.fixture(scope="module")
def straight(config, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("straight")
    return run(config, workdir)


def run(config, workdir, **changes):
    changed = dataclasses.replace(config, workdir=str(workdir), **changes)
    state = train(changed, console=QUIET).state
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    devices = len(jax.tree.leaves(state)[0].sharding.device_set)
    return Run(jax.device_get(state), [json.loads(line) for line in lines], devices)


def test_stopped_and_gone_on_with_ends_with_the_same_bits(config, straight, tmp_path):
    run(config, tmp_path, stop_after=2)
    parts = run(config, tmp_path)
    jax.tree.map(np.testing.assert_array_equal, straight.state, parts.state)
    assert [line["loss"] for line in parts.log] == [line["loss"] for line in straight.log]
    assert straight.devices == parts.devices == 2


def test_where_rows_are_divided_devices_take_whole_pictures(config, straight, tmp_path):
    """So it is the training of devices that divide the batch, but for the order of sums."""
    rows = run(config, tmp_path, mesh=MeshConfig(data=1, space=2))
    for ours, theirs in zip(rows.log, straight.log, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
    for (path, one), other in zip(
        jax.tree.leaves_with_path(rows.state.variables["params"]),
        jax.tree.leaves(straight.state.variables["params"]),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=2e-4, err_msg=jax.tree_util.keystr(path))
    assert rows.devices == 2
