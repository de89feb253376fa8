"""Two processes with two simulated devices each, joined on this machine, as one run."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import types

import jax
import numpy as np
import pytest

from dehaze_jax.data import prepare
from dehaze_jax.errors import InputError
from dehaze_jax.storage import Checkpoints, RunDirectory
from dehaze_jax.training import HostsConfig, MeshConfig, connect, make_mesh

TINY = pathlib.Path(__file__).parents[2] / "experiments" / "survival" / "tiny.py"
TOY = pathlib.Path(__file__).with_name("toy_method.py")
CONFIG = """
from dehaze_jax.data import DataConfig
from dehaze_jax.methods import OptimiserConfig
from dehaze_jax.training import TrainConfig

def get_config():
    return TrainConfig(
        data=DataConfig(train=("toy",), validation=("toy",), batch_size=4, crop_size=8),
        optimiser=OptimiserConfig(learning_rate=0.05),
        steps=40, log_every=2, save_every=6, evaluate_every=20,
    )
"""


@pytest.fixture
def start(tmp_path):
    """Starts the processes of one run; they are ended after the test."""
    (tmp_path / "config.py").write_text(CONFIG)
    started = []

    def run(workdir, *hows, devices=2, patience=20, options=((), ()), config="config.py"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            coordinator = f"127.0.0.1:{free.getsockname()[1]}"
        processes = []
        for number, how in enumerate(hows):
            hosts = {"coordinator": coordinator, "processes": len(hows), "process": number}
            hosts |= {"patience": patience}
            joined = [f"--hosts.{name}={value}" for name, value in hosts.items()]
            command = [sys.executable, str(TOY), how, "train", str(tmp_path / config)]
            command += ["--workdir", str(tmp_path / workdir), *options[number]]
            command += joined if len(hows) > 1 else []
            flags = f"--xla_force_host_platform_device_count={devices}"
            environment = {**os.environ, "XLA_FLAGS": flags}
            environment["DEHAZE_JAX_CACHE"] = str(tmp_path / "cache")
            process = subprocess.Popen(
                command,
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                env=environment,
            )
            processes.append(process)
        started.extend(processes)
        return processes

    yield run
    for process in started:
        process.kill()
        process.communicate()


def ended(processes):
    """Exit codes and what was said on standard error."""
    said = [process.communicate(timeout=120)[1] for process in processes]
    return [process.returncode for process in processes], said


def final_state(workdir):
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest() == 40
        return checkpoints.restore_part("variables")


def test_two_processes_give_the_parameters_of_one(start, tmp_path):
    codes, said = ended(start("two", "plain", "plain"))
    assert codes == [0, 0], said
    assert "step 40/40" in said[0]
    assert "step" not in said[1]  # only the first one tells
    codes, said = ended(start("four", "plain", devices=4))
    assert codes == [0], said
    codes, said = ended(start("one", "plain", devices=1))
    assert codes == [0], said

    two, four, one = (final_state(tmp_path / name) for name in ("two", "four", "one"))
    for name in two["params"]:
        # Sums over the batch in another order; Adam's first steps enlarge the difference.
        np.testing.assert_allclose(two["params"][name], four["params"][name], atol=1e-6)
        np.testing.assert_allclose(two["params"][name], one["params"][name], atol=1e-5)
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert record["processes"] == 2
    assert record["mesh"] == {"data": 4, "space": 1, "fsdp": 0}
    lines = (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines if "loss" in line] == list(range(2, 41, 2))


def test_a_killed_process_ends_the_other_and_one_alone_goes_on(start, tmp_path):
    codes, said = ended(start("run", "plain", "SIGKILL:20", patience=10))
    assert codes[1] == -signal.SIGKILL
    # Who notices first: a step that wants the other's part, or the heartbeats, which abort.
    assert codes[0] in (1, -signal.SIGABRT), said[0]
    assert re.search("lost another one of 2|another task died", said[0])
    with Checkpoints(tmp_path / "run" / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest() in (6, 12, 18)
    codes, said = ended(start("run", "plain", devices=1))
    assert codes == [0], said
    codes, said = ended(start("straight", "plain", devices=1))
    assert codes == [0], said
    ours, straight = (final_state(tmp_path / name) for name in ("run", "straight"))
    for name in ours["params"]:
        np.testing.assert_allclose(ours["params"][name], straight["params"][name], atol=1e-5)


def test_a_signal_to_one_process_stops_all_with_a_checkpoint(start, tmp_path):
    codes, said = ended(start("run", "plain", "SIGTERM:20"))
    assert codes[1] == 128 + signal.SIGTERM, said[1]
    assert codes[0] == 128 + signal.SIGTERM, said[0]
    with Checkpoints(tmp_path / "run" / "checkpoints", read_only=True) as checkpoints:
        assert 18 <= checkpoints.latest() <= 22


@pytest.mark.parametrize(
    ("how", "own", "other"),
    [
        ("no-data", "/data: is gone", "{run}: process 1 cannot train, as it says itself"),
        ("other-data", *["{run}: its processes do not have the same data"] * 2),
    ],
)
def test_a_process_that_cannot_begin_ends_the_other(start, tmp_path, how, own, other):
    codes, said = ended(start("run", "plain", how))
    assert codes == [1, 1], said
    reasons = [reason.format(run=tmp_path / "run") for reason in (other, own)]
    assert said == [f"dehaze-jax: error: {reason}\n" for reason in reasons]
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_second_run_of_two_processes_is_refused(start, tmp_path):
    with RunDirectory(tmp_path / "run").claim():
        codes, said = ended(start("run", "plain", "plain"))
    assert codes == [1, 1], said
    assert said[0] == f"dehaze-jax: error: {tmp_path}/run: another process is training in it\n"
    reason = "process 0 cannot train, as it says itself"
    assert said[1] == f"dehaze-jax: error: {tmp_path}/run: {reason}\n"


@pytest.mark.slow
def test_two_processes_start_from_weights_and_divide_their_state(start, tmp_path):
    prepared = prepare("rendered_haze/landscapes", tmp_path / "data", scenes=4, size=(48, 64))
    common = ("--data.train", str(prepared), "--data.batch-size", "4", "--steps", "20")
    given = (*common, "--init-from", str(tmp_path / "first"), "--seed", "1")
    runs = {
        "first": (common,),
        "one": (given,),
        "two": ((*given, "--mesh.fsdp", "16"),) * 2,
    }
    variables = {}
    for name, options in runs.items():
        hows = ["real"] * len(options)
        codes, said = ended(start(name, *hows, devices=1, options=options, config=TINY))
        assert set(codes) == {0}, said
        with Checkpoints(tmp_path / name / "checkpoints", read_only=True) as checkpoints:
            variables[name] = checkpoints.restore_part("variables")
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert record["start"] == "weights"
    assert record["mesh"] == {"data": 2, "space": 1, "fsdp": 16}
    first, one, two = (jax.tree.leaves(variables[name]) for name in runs)
    for ours, theirs in zip(two, one, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert any(np.abs(a - b).max() > 1e-2 for a, b in zip(one, first, strict=True))
    # What two processes divided is whole again in one.
    more = (*given, "--steps", "22")
    codes, said = ended(start("two", "real", devices=1, options=[more], config=TINY))
    assert codes == [0], said
    assert "goes on from step 20, to step 22" in said[0]


def test_a_process_that_does_not_come(start):
    first, second = start("run", "plain", "plain", patience=3)
    second.kill()
    codes, said = ended([first])
    assert codes == [-signal.SIGABRT]
    assert "another task died" in said[0]


def test_no_launcher(start):
    """In a process of its own: here JAX is in use already."""
    (process,) = start("run", "plain", options=[("--hosts.coordinator", "auto")])
    codes, said = ended([process])
    assert codes == [1]
    assert "HostsConfig.coordinator: auto: no launcher" in said[0]
    assert said[0].count("\n") == 1


def test_jax_in_use_already():
    jax.devices()
    hosts = HostsConfig(coordinator="127.0.0.1:1", processes=2, process=0)
    with pytest.raises(InputError, match=r"HostsConfig\.coordinator: .*before any JAX"):
        connect(hosts)


def test_alone_nothing_is_joined():
    connect(HostsConfig())


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"coordinator": "somewhere"}, "coordinator"),
        ({"coordinator": "host:port", "processes": 2, "process": 0}, "coordinator"),
        ({"coordinator": "host:12", "process": 0}, "processes"),
        ({"coordinator": "host:12", "processes": 2}, "process"),
        ({"coordinator": "host:12", "processes": 2, "process": 2}, "process"),
        ({"coordinator": "auto", "processes": 2}, "processes"),
        ({"process": 1}, "process"),
        ({"patience": 0}, "patience"),
    ],
)
def test_hosts_that_do_not_fit(values, field):
    with pytest.raises(InputError, match=rf"HostsConfig\.{field}: "):
        HostsConfig(**values)


@pytest.mark.parametrize(
    ("mesh", "reason"),
    [
        (MeshConfig(data=2), "2 processes need all of the 4"),
        (MeshConfig(data=1, space=4), "4 does not divide the 2 of each process"),
    ],
)
def test_meshes_that_leave_a_process_without_its_pictures(mesh, reason):
    devices = [types.SimpleNamespace(process_index=number // 2) for number in range(4)]
    with pytest.raises(InputError, match=reason):
        make_mesh(mesh, devices)
