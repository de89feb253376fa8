"""Runs that stop and go on, and what may differ when they do."""

import dataclasses
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest
import rich.console
from toy_runs import QUIET, assert_same_bits, make_config, metrics

from dehaze_jax.data import DataConfig
from dehaze_jax.errors import InputError
from dehaze_jax.methods.config import OptimiserConfig
from dehaze_jax.storage import Checkpoints, load_weights, save_weights
from dehaze_jax.training import MeshConfig, train


def test_stopped_and_gone_on_with_ends_with_the_same_bits_and_log(toy, tmp_path):
    changes = {"data": DataConfig(train=("t",), validation=("v",), batch_size=4, crop_size=8)}
    straight = train(make_config(tmp_path / "a", **changes), console=QUIET)
    for stop_after in (5, 7, None):
        parts = train(make_config(tmp_path / "b", stop_after=stop_after, **changes), console=QUIET)
        assert parts.step == (stop_after or 12)
        assert parts.finished == (stop_after is None)
    assert_same_bits(straight.state, parts.state)
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")
    assert [line["step"] for line in metrics(tmp_path / "b")] == [3, 6, 6, 9, 12, 12]
    record = json.loads((tmp_path / "b" / "run.json").read_text())
    assert [later["step"] for later in record["resumes"]] == [5, 7]


def test_the_batches_of_a_resumed_run_go_on(toy, tmp_path, monkeypatch):
    starts = []

    def spy(config, *, start_step, **rest):
        starts.append(start_step)
        return toy.batches(config, start_step=start_step, **rest)

    monkeypatch.setattr("dehaze_jax.data.train_batches", spy)
    train(make_config(tmp_path, stop_after=5), console=QUIET)
    train(make_config(tmp_path), console=QUIET)
    assert starts == [0, 5]


def test_a_finished_run_is_left_as_it_is(toy, tmp_path):
    config = make_config(tmp_path)
    first = train(config, console=QUIET)
    before = (tmp_path / "weights" / "card.json").stat().st_mtime_ns
    again = train(config, console=QUIET)
    assert again.finished
    assert_same_bits(first.state, again.state)
    assert (tmp_path / "weights" / "card.json").stat().st_mtime_ns == before


def test_own_checkpoint_goes_before_given_weights(toy, tmp_path):
    train(make_config(tmp_path / "a"), console=QUIET)
    config = make_config(tmp_path / "b", init_from=str(tmp_path / "a" / "weights"))
    straight = train(dataclasses.replace(config, workdir=str(tmp_path / "c")), console=QUIET)
    train(dataclasses.replace(config, stop_after=6), console=QUIET)
    assert_same_bits(train(config, console=QUIET).state, straight.state)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seed": 1}, "seed was 0, is 1"),
        (
            {"optimiser": OptimiserConfig(learning_rate=0.1)},
            "optimiser.learning_rate was 0.05, is 0.1",
        ),
        (
            {"optimiser": OptimiserConfig(learning_rate=0.05, precision="bfloat16")},
            "optimiser.precision was 'float32', is 'bfloat16'",
        ),
    ],
)
def test_a_resume_that_would_not_go_on_as_before_is_refused(toy, tmp_path, changes, reason):
    train(make_config(tmp_path, stop_after=5), console=QUIET)
    with pytest.raises(InputError, match=f"{tmp_path}: .*{reason}"):
        train(make_config(tmp_path, **changes), console=QUIET)
    record = json.loads((tmp_path / "run.json").read_text())
    assert "resumes" not in record  # refused before anything is written


def test_a_run_of_an_earlier_version_lacks_fields(toy, tmp_path):
    train(make_config(tmp_path, stop_after=5), console=QUIET)
    saved = json.loads((tmp_path / "config.json").read_text())
    del saved["data"]["haze_scale"], saved["not_finite"]
    (tmp_path / "config.json").write_text(json.dumps(saved))
    data = dataclasses.replace(make_config(tmp_path).data, haze_scale=(0.5, 1.0))
    with pytest.raises(InputError, match=r"data.haze_scale was \[1.0, 1.0\], is \[0.5, 1.0\]"):
        train(make_config(tmp_path, data=data), console=QUIET)
    assert train(make_config(tmp_path), console=QUIET).finished


def test_a_run_of_an_earlier_version_may_have_fields_that_went(toy, tmp_path):
    train(make_config(tmp_path, stop_after=5), console=QUIET)
    saved = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(saved | {"speed": 3}))
    with pytest.raises(InputError, match="speed was 3, is 'absent'"):
        train(make_config(tmp_path), console=QUIET)


def test_a_changed_config_goes_on_if_forced_and_is_told(toy, tmp_path):
    train(make_config(tmp_path, stop_after=5), console=QUIET)
    config = make_config(tmp_path, optimiser=OptimiserConfig(learning_rate=0.0))
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        before = checkpoints.restore_part("variables")
    with pytest.raises(InputError, match=r"is 0\.0; --force goes on all the same$"):
        train(config, console=QUIET)
    said = io.StringIO()
    console = rich.console.Console(file=said, width=500)
    result = train(config, console=console, force=True)
    assert result.step == 12
    assert_same_bits(result.state.variables, before)  # without a learning rate
    change = "optimiser.learning_rate was 0.05, is 0.0"
    assert f"forced, though {change}\n" in said.getvalue()
    (resumed,) = json.loads((tmp_path / "run.json").read_text())["resumes"]
    assert (resumed["step"], resumed["changed"]) == (5, [change])
    # From now on the run is one with this config.
    assert train(config, console=QUIET).finished


def test_other_data_is_taken_if_forced(toy, tmp_path, monkeypatch):
    train(make_config(tmp_path, stop_after=5), console=QUIET)
    monkeypatch.setattr("dehaze_jax.data.fingerprint", lambda _: "other")
    assert train(make_config(tmp_path, stop_after=8), console=QUIET, force=True).step == 8
    (resumed,) = json.loads((tmp_path / "run.json").read_text())["resumes"]
    assert resumed["changed"] == ["the data is not what the run began with"]
    assert train(make_config(tmp_path), console=QUIET).finished


@pytest.mark.parametrize("force", [False, True])
def test_steps_that_are_done_already_are_not_undone(toy, tmp_path, force):
    train(make_config(tmp_path, stop_after=5), console=QUIET)
    with pytest.raises(InputError, match="is at step 5, past the 2"):
        train(make_config(tmp_path, steps=2), console=QUIET, force=force)


def test_final_weights_are_of_the_end_though_the_run_was_longer_than_first_meant(toy, tmp_path):
    """Killed after the last checkpoint and before the weights."""
    train(make_config(tmp_path), console=QUIET)
    early = load_weights(tmp_path / "weights")
    train(make_config(tmp_path, steps=14), console=QUIET)
    late = load_weights(tmp_path / "weights")
    shutil.rmtree(tmp_path / "weights")
    save_weights(tmp_path / "weights", early.variables, early.config, early.card)
    train(make_config(tmp_path, steps=14), console=QUIET)
    again = load_weights(tmp_path / "weights")
    assert again.card["step"] == 14
    assert_same_bits(again.variables, late.variables)


def test_what_a_step_needs_of_memory_may_change_on_resume(toy, tmp_path):
    config = make_config(tmp_path, stop_after=5)
    train(config, console=QUIET)
    optimiser = dataclasses.replace(config.optimiser, accumulate=2)
    objective = dataclasses.replace(config.method.objective, remat="stages")
    method = dataclasses.replace(config.method, objective=objective)
    assert train(make_config(tmp_path, optimiser=optimiser, method=method), console=QUIET).finished


def test_other_data_is_refused_on_resume(toy, tmp_path, monkeypatch):
    train(make_config(tmp_path, stop_after=5), console=QUIET)
    monkeypatch.setattr("dehaze_jax.data.fingerprint", lambda _: "other")
    with pytest.raises(InputError, match="the data is not what the run began with"):
        train(make_config(tmp_path), console=QUIET)


def test_periods_steps_and_devices_may_change_on_resume(toy, tmp_path):
    train(make_config(tmp_path, stop_after=5), console=QUIET)
    result = train(
        make_config(
            tmp_path,
            steps=13,
            log_every=1,
            save_every=2,
            evaluate_every=3,
            keep_checkpoints=1,
            mesh=MeshConfig(data=2),
        ),
        console=QUIET,
    )
    assert result.step == 13
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.steps() == [13]


def test_a_damaged_checkpoint_is_refused(toy, tmp_path):
    train(make_config(tmp_path, stop_after=5), console=QUIET)
    data_file = next((tmp_path / "checkpoints" / "5" / "state").glob("**/d/*"))
    os.truncate(data_file, 3)
    with pytest.raises(InputError, match="checkpoints/5: is damaged"):
        train(make_config(tmp_path), console=QUIET)


CONFIG = """
from dehaze_jax.data import DataConfig
from dehaze_jax.methods import OptimiserConfig
from dehaze_jax.training import MeshConfig, TrainConfig

def get_config(variant="base"):
    return TrainConfig(
        data=DataConfig(train=("toy",), batch_size=4, crop_size=8),
        optimiser=OptimiserConfig(learning_rate=0.05),
        steps=40, log_every=2, save_every=6, mesh=MeshConfig(data=1),
    )
"""


@pytest.fixture
def launch(tmp_path):
    (tmp_path / "config.py").write_text(CONFIG)
    script = pathlib.Path(__file__).with_name("toy_method.py")

    def run(how, workdir):
        command = [sys.executable, str(script), how, "train", str(tmp_path / "config.py")]
        return subprocess.run(
            [*command, "--workdir", str(tmp_path / workdir)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "DEHAZE_JAX_CACHE": str(tmp_path / "cache")},
        )

    return run


def final_state(workdir):
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest() == 40
        return {n: checkpoints.restore_part(n) for n in ("variables", "ema", "opt_state", "step")}


def test_killed_or_interrupted_anywhere_the_same_command_ends_with_the_same_bits(launch, tmp_path):
    straight = launch("plain", "a")
    assert straight.returncode == 0, straight.stderr
    assert "Traceback" not in straight.stderr

    killed = launch("SIGKILL:15", "b")
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "b" / "weights").exists()
    interrupted = launch("SIGINT:27", "b")
    assert interrupted.returncode == 128 + signal.SIGINT
    assert "the same command goes on" in interrupted.stderr
    terminated = launch("SIGTERM:33", "b")
    assert terminated.returncode == 128 + signal.SIGTERM
    done = launch("plain", "b")
    assert done.returncode == 0, done.stderr

    assert_same_bits(final_state(tmp_path / "a"), final_state(tmp_path / "b"))
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")
    record = json.loads((tmp_path / "b" / "run.json").read_text())
    steps = [later["step"] for later in record["resumes"]]
    assert steps[0] in (6, 12)  # killed: the last one that was whole
    assert steps[1:] == [26, 32]  # stopped: where the signal came, two batches ahead
