import dataclasses
import json
import re

import numpy as np
import pytest
import rich.console

from dehaze_jax.data import DataConfig
from dehaze_jax.errors import InputError
from dehaze_jax.methods.config import OptimiserConfig
from dehaze_jax.storage import Checkpoints
from dehaze_jax.training import MeshConfig, TrainConfig, train

QUIET = rich.console.Console(quiet=True)
BAD = {2: 1, 5: 3, 6: 1, 11: 4}  # by step; the toy data set counts as a hundred examples


@pytest.fixture
def damaged(toy, monkeypatch):
    """Toy data of which some examples took the places of damaged ones."""

    def batches(config, *, start_step, **rest):
        for step, batch in enumerate(
            toy.batches(config, start_step=start_step, **rest), start_step
        ):
            batch["bad"] = (np.arange(4) < BAD.get(step + 1, 0)).astype(np.int32)
            yield batch

    monkeypatch.setattr("dehaze_jax.data.train_batches", batches)


def _config(workdir, *, share=0.1, devices=1, **changes):
    return TrainConfig(
        data=DataConfig(train=("toy",), batch_size=4, crop_size=8, max_bad_share=share),
        optimiser=OptimiserConfig(learning_rate=0.05),
        workdir=str(workdir),
        steps=12,
        log_every=3,
        save_every=4,
        mesh=MeshConfig(data=devices),
        **changes,
    )


def _counts(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return {line["step"]: line["bad_examples"] for line in map(json.loads, lines)}


@pytest.mark.devices
@pytest.mark.parametrize("devices", [1, 4])
def test_damaged_examples_are_counted_over_all_steps_and_devices(damaged, tmp_path, devices):
    train(_config(tmp_path, devices=devices), console=QUIET)
    assert _counts(tmp_path) == {3: 1, 6: 5, 9: 5, 12: 9}


def test_a_resumed_run_goes_on_counting(damaged, tmp_path):
    for stop_after in (4, 7, None):
        train(_config(tmp_path, stop_after=stop_after), console=QUIET)
    assert _counts(tmp_path) == {3: 1, 6: 5, 9: 5, 12: 9}


def test_a_run_with_too_many_ends_and_goes_on_where_more_are_allowed(damaged, tmp_path):
    # At step 6, where the log is written, 5 of 24 and a pass of 100 is more than 4 in a hundred.
    reason = "DataConfig.max_bad_share: 5 of 24 examples drawn were damaged, 0.04 is allowed"
    with pytest.raises(InputError, match=re.escape(reason)):
        train(_config(tmp_path, share=0.04), console=QUIET)
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.steps() == [4]
    result = train(dataclasses.replace(_config(tmp_path, share=0.1)), console=QUIET)
    assert result.finished
    assert _counts(tmp_path) == {3: 1, 6: 5, 9: 5, 12: 9}
