"""What happens when a loss or a gradient is not finite."""

import dataclasses
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rich.console
from toy_runs import QUIET, assert_same_bits, make_config, metrics

from dehaze_jax.errors import InputError
from dehaze_jax.storage import Checkpoints
from dehaze_jax.training import train


@pytest.fixture
def spoil(toy, monkeypatch):
    """Puts NaN into some batches, by their numbers."""

    def spoil(*numbers):
        def batches(config, *, start_step, **rest):
            every = toy.batches(config, start_step=start_step, **rest)
            for number, batch in enumerate(every, start=start_step):
                if number in numbers:
                    batch["hazy"][0, 0, 0, 0] = np.nan
                yield batch

        monkeypatch.setattr("dehaze_jax.data.train_batches", batches)

    return spoil


def test_a_loss_that_is_not_finite_stops_the_run_and_names_step_and_batch(spoil, tmp_path):
    spoil(7)
    reason = r"loss is nan at step 8; .*; its batch: toy 7-0, toy 7-1, toy 7-2, toy 7-3$"
    with pytest.raises(InputError, match=reason):
        train(make_config(tmp_path), console=QUIET)
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.steps() == [4]


def test_a_skipped_step_changes_nothing_but_the_number_of_steps(spoil, tmp_path):
    spoil(7, 11)
    said = io.StringIO()
    console = rich.console.Console(file=said, width=500)
    changes = {"not_finite": "skip", "log_every": 1, "save_every": 1, "keep_checkpoints": 20}
    result = train(make_config(tmp_path, **changes), console=console)
    assert result.finished
    assert int(result.state.step) == 12
    assert "gain is nan, loss is nan at step 8, skipped; its batch: toy 7-0" in said.getvalue()
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        for name in ("variables", "ema", "opt_state"):
            before, after, later = (checkpoints.restore_part(name, step) for step in (7, 8, 9))
            assert_same_bits(before, after)
            assert any(
                np.any(a != b) for a, b in zip(*map(jax.tree.leaves, (after, later)), strict=True)
            )
    lines = {line["step"]: line for line in metrics(tmp_path)}
    assert [lines[step]["skipped_steps"] for step in (7, 8, 11, 12)] == [0, 1, 1, 2]
    assert lines[8]["loss"] == lines[7]["loss"]  # of the newest step that was finite


def test_skipped_steps_are_counted_on_after_a_stop(spoil, tmp_path):
    spoil(3, 8)
    for stop_after in (5, None):
        train(make_config(tmp_path, not_finite="skip", stop_after=stop_after), console=QUIET)
    assert metrics(tmp_path)[-1]["skipped_steps"] == 2


def test_ten_steps_in_a_row_that_are_not_finite_end_the_run(spoil, tmp_path):
    spoil(*range(4, 30))
    with pytest.raises(InputError, match=r"at step 14, and 9 before it; try a lower"):
        train(make_config(tmp_path, steps=30, not_finite="skip"), console=QUIET)


def test_without_anything_to_skip_the_bits_are_the_same(toy, tmp_path):
    stops = train(make_config(tmp_path / "a"), console=QUIET)
    skips = train(make_config(tmp_path / "b", not_finite="skip"), console=QUIET)
    assert_same_bits(stops.state, skips.state)


def test_a_gradient_that_shows_in_no_scalar_stops_the_run(toy, tmp_path, monkeypatch):
    def build(config, optimiser, *, total_steps):
        method = toy.build(config, optimiser, total_steps=total_steps)

        def train_step(state, batch, key):
            state, scalars = method.train_step(state, batch, key)
            gain = jnp.where(state.step == 6, jnp.nan, state.variables["params"]["gain"])
            params = {**state.variables["params"], "gain": gain}
            return state.replace(variables={"params": params}), {"loss": scalars["loss"]}

        return dataclasses.replace(method, train_step=train_step)

    monkeypatch.setattr("dehaze_jax.methods.build", build)
    with pytest.raises(InputError, match="a gradient is not finite at step 6; checkpoints are of"):
        train(make_config(tmp_path, save_every=1), console=QUIET)
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest() == 5
