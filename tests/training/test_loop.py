import dataclasses
import errno
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rich.console
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2

from dehaze_jax import image
from dehaze_jax.data import DataConfig
from dehaze_jax.errors import InputError
from dehaze_jax.haze import PRESETS, HazeConfig
from dehaze_jax.methods.config import OptimiserConfig
from dehaze_jax.storage import Checkpoints, RunDirectory, load_weights, save_weights
from dehaze_jax.training import MeshConfig, TrainConfig, train
from dehaze_jax.training.profiling import Profile
from dehaze_jax.training.step import train_step as training_step

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


def test_it_learns_what_it_is_to_learn(toy, tmp_path):
    config = make_config(tmp_path, steps=300, log_every=1, save_every=300)
    result = train(config, console=QUIET)
    assert result.finished
    params = result.state.variables["params"]
    # hazy = 0.5 clear + 0.4; the noise of the steps shrinks the gain a little.
    np.testing.assert_allclose(params["gain"], 2.0, atol=0.05)
    np.testing.assert_allclose(params["offset"], -0.8, atol=0.05)
    losses = [line["loss"] for line in metrics(tmp_path)]
    assert losses[-1] < losses[0] / 20


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


def test_the_record_and_config_are_there_before_the_first_step(toy, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no batch")

    monkeypatch.setattr("dehaze_jax.data.train_batches", fail)
    with pytest.raises(RuntimeError, match="no batch"):
        train(make_config(tmp_path, seed=5), console=QUIET)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["seed"] == 5
    assert record["start"] == "scratch"
    assert record["parameters"] == 6
    assert record["global_batch"] == 4
    assert record["mesh"] == {"data": 1, "space": 1, "fsdp": 0}
    assert record["versions"]["jax"] == jax.__version__
    assert record["data"] == toy.fingerprint(make_config(tmp_path).data)
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 5


def test_final_weights_and_fine_tuning_from_them(toy, tmp_path):
    first = train(make_config(tmp_path / "a"), console=QUIET)
    weights = load_weights(tmp_path / "a" / "weights")
    assert_same_bits(weights.variables, first.state.ema)
    assert weights.config["name"] == "dehazeflow"
    for source in (tmp_path / "a" / "weights", tmp_path / "a"):
        config = make_config(tmp_path / source.name, init_from=str(source), steps=1)
        config = dataclasses.replace(config, optimiser=OptimiserConfig(learning_rate=0.0))
        tuned = train(
            dataclasses.replace(config, workdir=str(tmp_path / "t" / source.name)), console=QUIET
        )
        assert_same_bits(tuned.state.variables, first.state.ema)
        record = json.loads((tmp_path / "t" / source.name / "run.json").read_text())
        assert record["start"] == "weights"


def test_weights_of_another_model_or_method_are_refused(toy, tmp_path):
    save_weights(
        tmp_path / "shape", {"params": {"gain": np.ones(3, np.float32)}}, {"name": "dehazeflow"}, {}
    )
    save_weights(
        tmp_path / "name", {"params": {"gain": np.ones(3, np.float32)}}, {"name": "other"}, {}
    )
    for folder, reason in (("shape", "params/offset is missing"), ("name", "weights of other")):
        with pytest.raises(InputError, match=reason):
            train(make_config(tmp_path / "run", init_from=str(tmp_path / folder)), console=QUIET)


def test_weights_of_another_field_are_refused(toy, tmp_path):
    train(make_config(tmp_path / "a"), console=QUIET)
    config = make_config(tmp_path / "b", init_from=str(tmp_path / "a"))
    method = dataclasses.replace(config.method, lut_mode="composed")
    with pytest.raises(InputError, match="another lut_mode"):
        train(dataclasses.replace(config, method=method), console=QUIET)


def test_a_full_disk_under_the_event_file_ends_the_run(toy, tmp_path, monkeypatch):
    write, left = EventsWriter.write_event, [3]

    def full(writer, event):
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        write(writer, event)

    monkeypatch.setattr(EventsWriter, "write_event", full)
    with pytest.raises(InputError, match="events: cannot be written: No space left on device"):
        train(make_config(tmp_path), console=QUIET)


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


def test_a_batch_that_has_no_such_parts_is_refused(toy, tmp_path):
    optimiser = OptimiserConfig(accumulate=3)
    with pytest.raises(InputError, match=r"optimiser\.accumulate: 3 does not divide the 4 exampl"):
        train(make_config(tmp_path / "run", optimiser=optimiser), console=QUIET)
    assert not (tmp_path / "run").exists()


def test_other_data_is_refused_on_resume(toy, tmp_path, monkeypatch):
    train(make_config(tmp_path, stop_after=5), console=QUIET)
    monkeypatch.setattr("dehaze_jax.data.fingerprint", lambda _: "other")
    with pytest.raises(InputError, match="the data is not what the run began with"):
        train(make_config(tmp_path), console=QUIET)


@pytest.fixture
def unpaired(monkeypatch):
    """The toy method as one that learns from unpaired pictures; their pipeline is the real one."""
    import toy_method

    def build(config, optimiser, *, total_steps):
        method = toy_method.build(config, optimiser, total_steps=total_steps)
        return dataclasses.replace(method, unpaired=True)

    monkeypatch.setattr("dehaze_jax.methods.build", build)


def test_a_method_of_pairs_is_not_given_unpaired_pictures(toy, tmp_path):
    config = DataConfig(train=("t",), clear=("c",), batch_size=4, crop_size=8)
    with pytest.raises(InputError, match=r"DataConfig\.clear: must be empty: toy learns from pai"):
        train(make_config(tmp_path / "run", data=config), console=QUIET)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("given", "other"), [("train", "clear"), ("clear", "train")])
def test_an_unpaired_method_is_not_given_one_side_alone(unpaired, tmp_path, given, other):
    side = {"clear": "clear", "train": "hazy"}[other]
    expected = rf"DataConfig\.{other}: is empty: toy .* say where the {side} ones come from"
    config = DataConfig(**{given: ("x",)}, batch_size=4, crop_size=8)
    with pytest.raises(InputError, match=expected):
        train(make_config(tmp_path / "run", data=config), console=QUIET)
    assert not (tmp_path / "run").exists()


def test_unpaired_training_stopped_and_gone_on_with_ends_with_the_same_bits(unpaired, tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("hazy", 9), ("clear", 13)):
        (tmp_path / name).mkdir()
        for number in range(count):
            pixels = rng.integers(0, 256, (10, 12, 3), np.uint8)
            image.write(tmp_path / name / f"{number}.png", pixels)
    folders = {"train": (str(tmp_path / "hazy"),), "clear": (str(tmp_path / "clear"),)}
    changes = {"data": DataConfig(**folders, batch_size=4, crop_size=8)}
    straight = train(make_config(tmp_path / "a", **changes), console=QUIET)
    for stop_after in (5, None):
        parts = train(make_config(tmp_path / "b", stop_after=stop_after, **changes), console=QUIET)
    assert_same_bits(straight.state, parts.state)
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")
    (tmp_path / "clear" / "12.png").unlink()
    with pytest.raises(InputError, match="the data is not what the run began with"):
        train(make_config(tmp_path / "b", **changes), console=QUIET)


def clear_pictures(folder, count=9):
    rng = np.random.default_rng(1)
    folder.mkdir()
    for number in range(count):
        image.write(folder / f"{number}.png", rng.integers(0, 256, (12, 14, 3), np.uint8))
    return DataConfig(clear=(str(folder),), batch_size=4, crop_size=8)


def test_haze_on_the_fly_from_clear_pictures_alone_is_the_same_after_a_stop(tmp_path, monkeypatch):
    import toy_method

    def build(config, optimiser, *, total_steps):
        method = toy_method.build(config, optimiser, total_steps=total_steps)

        def train_step(state, batch, key):
            state, scalars = method.train_step(state, batch, key)
            light, through = batch["airlight"][:, None, None], batch["transmission"]
            off = batch["hazy"] - batch["clear"] * through - light * (1 - through)
            return state, {**scalars, "beta": batch["beta"][0], "off": jnp.abs(off).max()}

        return dataclasses.replace(method, train_step=train_step)

    monkeypatch.setattr("dehaze_jax.methods.build", build)
    haze = PRESETS["reside_its"]
    changes = {"data": clear_pictures(tmp_path / "clear"), "haze": haze, "log_every": 1}
    straight = train(make_config(tmp_path / "a", **changes), console=QUIET)
    for stop_after in (5, None):
        parts = train(make_config(tmp_path / "b", stop_after=stop_after, **changes), console=QUIET)
    assert_same_bits(straight.state, parts.state)
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")
    lines = [line for line in metrics(tmp_path / "a") if "beta" in line]
    assert len({line["beta"] for line in lines}) == 12
    assert max(line["off"] for line in lines) < 1e-6
    changes["haze"] = dataclasses.replace(haze, beta=(0.6, 1.7))
    with pytest.raises(InputError, match=r"another config: haze\.beta"):
        train(make_config(tmp_path / "b", **changes), console=QUIET)


def test_without_haze_a_step_draws_as_it_always_did(toy, tmp_path):
    """Haze has random numbers of its own, so that a share of it leaves the method's as they are."""
    keys = []

    def train_step(state, batch, key):
        keys.append(key)
        return state, {}

    method = toy.build(None, OptimiserConfig(), total_steps=1)
    state = method.start(method.init(jax.random.key(0), next(toy.batches(DataConfig(), seed=0))))
    batch = next(toy.batches(DataConfig(batch_size=2, crop_size=8), seed=0))
    spied = dataclasses.replace(method, train_step=train_step)
    for haze in (None, PRESETS["reside_its"]):
        training_step(spied, haze, state, batch, jax.random.key(5))
    bits = [jax.random.key_data(key) for key in keys]
    expected = jax.random.fold_in(jax.random.fold_in(jax.random.key(5), 1), 0)
    np.testing.assert_array_equal(bits, [jax.random.key_data(expected)] * 2)


@pytest.mark.parametrize(
    ("haze", "reason"),
    [(None, "haze of share 1"), (dataclasses.replace(HazeConfig(), share=0.5), "haze of share 1")],
)
def test_clear_pictures_alone_need_haze_on_all_of_them(toy, tmp_path, haze, reason):
    data = DataConfig(clear=("c",), batch_size=4, crop_size=8)
    with pytest.raises(InputError, match=rf"DataConfig\.train: is empty: toy .*{reason}"):
        train(make_config(tmp_path / "run", data=data, haze=haze), console=QUIET)


def test_an_unpaired_method_gets_no_haze_on_the_fly(unpaired, tmp_path):
    data = DataConfig(train=("t",), clear=("c",), batch_size=4, crop_size=8)
    with pytest.raises(InputError, match=r"TrainConfig\.haze: must be None: toy learns haze"):
        train(make_config(tmp_path / "run", data=data, haze=HazeConfig()), console=QUIET)


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


def test_the_best_weights_are_kept(toy, tmp_path, monkeypatch):
    scores = iter([20.0, 22.0, 21.0, 23.0, 22.5, 22.9])
    kept = []

    def validate(method, variables, examples):
        kept.append(jax.device_get(variables))
        return {"rgb-full/psnr": next(scores)}, {}

    monkeypatch.setattr("dehaze_jax.training.loop.validate", validate)
    data = DataConfig(train=("t",), validation=("v",), batch_size=4, crop_size=8)
    config = make_config(tmp_path, data=data, evaluate_every=2)
    train(dataclasses.replace(config, stop_after=6), console=QUIET)
    best = load_weights(tmp_path / "best")
    assert (best.card["step"], best.card["scores"]) == (4, {"rgb-full/psnr": 22.0})
    assert_same_bits(best.variables, kept[1])
    train(config, console=QUIET)
    best = load_weights(tmp_path / "best")
    assert best.card["step"] == 8
    assert_same_bits(best.variables, kept[3])
    assert load_weights(tmp_path / "weights").card["step"] == 12


@pytest.mark.parametrize("steps", [(5, 6), (11, 40)])
def test_some_steps_are_profiled(toy, tmp_path, steps):
    train(make_config(tmp_path, profile_steps=steps), console=QUIET)
    assert list((tmp_path / "profile").glob("**/*.xplane.pb"))


def test_a_profile_that_cannot_be_written(toy, tmp_path, monkeypatch):
    """The profiler's own is not tried: a recording that failed cannot be ended, nor another begun.

    An error of the run comes first, where there is one.
    """

    def full(*_):
        raise RuntimeError("INTERNAL: no space left on device")

    monkeypatch.setattr(jax.profiler, "start_trace", lambda folder: None)
    monkeypatch.setattr(jax.profiler, "stop_trace", full)
    told = f"{tmp_path / 'profile'}: no profile can be written: INTERNAL: no space left on device"
    with pytest.raises(InputError, match=re.escape(told)):
        train(make_config(tmp_path, profile_steps=(2, 3)), console=QUIET)

    def fail():
        with Profile(tmp_path / "profile", (1, 2)) as profile:
            profile.before(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_no_step_is_profiled_unless_asked_for(toy, tmp_path):
    train(make_config(tmp_path), console=QUIET)
    assert not (tmp_path / "profile").exists()


def test_the_memory_of_a_step_is_told(toy, tmp_path):
    from dehaze_jax.training.loop import _memory

    said = io.StringIO()
    train(make_config(tmp_path), console=rich.console.Console(file=said, width=500))
    assert "MB of each device, a step" in said.getvalue()
    sizes = types.SimpleNamespace(argument_size_in_bytes=3e9, temp_size_in_bytes=5e6)
    assert _memory(sizes) == "state and batch take 3,000 MB of each device, a step 5 MB beside"
    assert "does not tell" in _memory(None)


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


def test_two_runs_in_one_directory_are_refused(toy, tmp_path):
    with RunDirectory(tmp_path).claim(), pytest.raises(InputError, match="is training in it"):
        train(make_config(tmp_path), console=QUIET)
    assert not (tmp_path / "config.json").exists()


def test_the_step_is_traced_once(toy, tmp_path, monkeypatch):
    traces = []

    def counting(config, optimiser, *, total_steps):
        method = toy.build(config, optimiser, total_steps=total_steps)

        def train_step(state, batch, key):
            traces.append(1)
            return method.train_step(state, batch, key)

        return dataclasses.replace(method, train_step=train_step)

    monkeypatch.setattr("dehaze_jax.methods.build", counting)
    train(make_config(tmp_path, stop_after=6), console=QUIET)
    assert len(traces) == 1
    train(make_config(tmp_path), console=QUIET)
    assert len(traces) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda batch: {n: v[:2] for n, v in batch.items()}, r"float32\[2,8,8,3\]"),
        (lambda batch: {**batch, "bad": batch["bad"].astype(np.int8)}, r"int8\[4\]"),
        (lambda batch: {**batch, "depth": batch["hazy"]}, "depth"),
    ],
)
def test_a_batch_of_another_kind_is_refused_not_compiled_for(
    toy, tmp_path, monkeypatch, change, said
):
    def batches(config, *, start_step, **rest):
        every = toy.batches(config, start_step=start_step, **rest)
        for number, batch in enumerate(every, start=start_step):
            yield change(batch) if number == 6 else batch

    monkeypatch.setattr("dehaze_jax.data.train_batches", batches)
    with pytest.raises(InputError, match=f"^batch 7: is of another kind than the first.*{said}"):
        train(make_config(tmp_path), console=QUIET)
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest() == 4


def test_nothing_is_compiled_after_the_first_scores(toy, tmp_path):
    compiled, step = [], []

    def listen(event, _, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(step[-1])

    class Steps(rich.console.Console):
        """Is told every step."""

        def print(self, line, **_):
            if line.startswith("step "):
                step.append(int(line.split()[1].split("/")[0]))

    config = make_config(
        tmp_path,
        data=DataConfig(train=("t",), validation=("v",), batch_size=4, crop_size=8),
        log_every=1,
        evaluate_every=4,
    )
    step.append(0)
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        train(config, console=Steps(file=io.StringIO()))
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert step[-1] == 12
    assert set(compiled) <= {0, 4}
    assert 0 in compiled


@pytest.mark.devices
@pytest.mark.parametrize("mesh", [MeshConfig(data=4), MeshConfig(data=2, space=2), MeshConfig()])
def test_four_devices_give_the_parameters_of_one(toy, tmp_path, mesh):
    one = train(make_config(tmp_path / "1"), console=QUIET)
    four = train(make_config(tmp_path / "4", mesh=mesh), console=QUIET)
    # Sums over the batch in another order; Adam's first steps enlarge the difference.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        jax.device_get(one.state.variables),
        jax.device_get(four.state.variables),
    )
    assert len(four.state.variables["params"]["gain"].sharding.device_set) == 4


@pytest.mark.devices
def test_divided_states_give_the_parameters_of_whole_ones(toy, tmp_path):
    """Gain and offset have three values, so they divide over three devices."""
    divided = MeshConfig(data=3, fsdp=2)
    changes = {"data": DataConfig(train=("t",), validation=("v",), batch_size=6, crop_size=8)}
    one = train(make_config(tmp_path / "one", **changes), console=QUIET)
    # Begun whole, gone on with divided, and the other way round.
    for name, meshes in {"a": (divided, divided), "b": (MeshConfig(data=1), divided)}.items():
        for mesh, stop_after in zip(meshes, (5, None), strict=True):
            config = make_config(tmp_path / name, mesh=mesh, stop_after=stop_after, **changes)
            result = train(config, console=QUIET)
        gain = result.state.variables["params"]["gain"]
        assert gain.sharding.spec == jax.sharding.PartitionSpec("data")
        assert gain.addressable_data(0).shape == (1,)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
            jax.device_get(one.state.variables),
            jax.device_get(result.state.variables),
        )
        assert result.scores == pytest.approx(one.scores, abs=1e-3)
        weights = load_weights(tmp_path / name / "weights").variables
        assert_same_bits(weights, result.state.ema)


def test_validation_scores_and_pictures_are_logged(toy, tmp_path):
    config = make_config(
        tmp_path,
        data=DataConfig(train=("t",), validation=("v",), batch_size=4, crop_size=8),
        validation_pictures=2,
    )
    result = train(config, console=QUIET)
    (first, last) = (line for line in metrics(tmp_path) if "rgb-full/psnr" in line)
    assert (first["step"], last["step"]) == (6, 12)
    hazy, clear = [], []
    for example in (toy.open_prepared("v", "validation")[index] for index in (0, 4)):
        hazy.append(example.hazy / 255.0)
        clear.append(example.clear / 255.0)
    ema = jax.device_get(result.state.ema["params"])
    restored = [np.clip(h * ema["gain"] + ema["offset"], 0, 1) for h in hazy]

    def psnr(images):
        errors = [
            np.mean((np.round(i * 255) / 255 - c) ** 2) for i, c in zip(images, clear, strict=True)
        ]
        return np.mean(-10 * np.log10(errors))

    assert last["rgb-full/psnr"] == pytest.approx(psnr(restored), abs=0.01)
    assert last["rgb-full/psnr_hazy"] == pytest.approx(psnr(hazy), abs=1e-3)
    assert result.scores == {k: v for k, v in last.items() if k != "step"}
    tags = {value.tag: value for event in events(tmp_path) for value in event.summary.value}
    assert {"loss", *SPEEDS, "rgb-full/psnr", "validation/e0"} <= set(tags)
    assert tags["validation/e0"].image.height == 12
    assert load_weights(tmp_path / "weights").card["scores"] == result.scores


def events(workdir):
    """TensorBoard's records: length, its checksum, event, its checksum."""
    for path in sorted((workdir / "events").iterdir()):
        content = io.BytesIO(path.read_bytes())
        while header := content.read(12):
            size = int.from_bytes(header[:8], "little")
            yield event_pb2.Event.FromString(content.read(size))
            content.read(4)


def test_speed_leaves_out_pauses_and_tells_what_was_waiting(monkeypatch):
    import time

    from dehaze_jax.training.logs import Clock

    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock = Clock()
    assert clock.speeds(0, batch_size=4) == {}
    now += 3
    with clock.waiting():
        now += 2
    with clock.pause():
        now += 50
    expected = {"images_per_second": 8, "seconds_per_step": 0.5, "data_seconds_per_step": 0.2}
    assert clock.speeds(10, batch_size=4) == pytest.approx(expected)
    clock.restart(10)
    now += 1
    expected = {"images_per_second": 4, "seconds_per_step": 1, "data_seconds_per_step": 0}
    assert clock.speeds(11, batch_size=4) == pytest.approx(expected)


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


def test_init_is_a_function_of_the_seed(toy, tmp_path):
    a, b, c = (
        train(make_config(tmp_path / str(i), seed=seed, steps=1), console=QUIET)
        for i, seed in enumerate((1, 1, 2))
    )
    assert_same_bits(a.state, b.state)
    assert jnp.any(a.state.variables["params"]["gain"] != c.state.variables["params"]["gain"])
