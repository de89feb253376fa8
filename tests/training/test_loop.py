import dataclasses
import errno
import io
import json
import os
import re
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rich.console
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2
from toy_runs import QUIET, SPEEDS, assert_same_bits, make_config, metrics

from dehaze_jax.data import DataConfig
from dehaze_jax.errors import InputError
from dehaze_jax.methods.config import OptimiserConfig
from dehaze_jax.storage import Checkpoints, RunDirectory, load_weights, save_weights
from dehaze_jax.training import MeshConfig, train
from dehaze_jax.training.profiling import Profile


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
    with pytest.raises(InputError, match=r"with lut_mode additive \(the run has composed\)"):
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


def test_a_batch_that_has_no_such_parts_is_refused(toy, tmp_path):
    optimiser = OptimiserConfig(accumulate=3)
    with pytest.raises(InputError, match=r"optimiser\.accumulate: 3 does not divide the 4 exampl"):
        train(make_config(tmp_path / "run", optimiser=optimiser), console=QUIET)
    assert not (tmp_path / "run").exists()


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


def test_init_is_a_function_of_the_seed(toy, tmp_path):
    a, b, c = (
        train(make_config(tmp_path / str(i), seed=seed, steps=1), console=QUIET)
        for i, seed in enumerate((1, 1, 2))
    )
    assert_same_bits(a.state, b.state)
    assert jnp.any(a.state.variables["params"]["gain"] != c.state.variables["params"]["gain"])
