"""The command's figures are those of `count_cost` and `count_training_cost`."""

import types

import jax
import pytest

from dehaze_jax.cli.main import main
from dehaze_jax.methods import BilateralConfig, build
from dehaze_jax.programs import KINDS
from dehaze_jax.restoring import cost, count_cost
from dehaze_jax.storage.weights import find_weights
from dehaze_jax.training import TrainingCost
from dehaze_jax.training import cost as training_cost
from dehaze_jax.training.mesh import plan_mesh

CONFIG = """
from dehaze_jax.methods import BilateralConfig
from dehaze_jax.training import TrainConfig


def get_config(variant="base"):
    return TrainConfig(method=BilateralConfig(width=8, proxy_size=16, grid_size=4))
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.py"
    path.write_text(CONFIG)
    return str(path)


def test_a_configuration(config, capsys):
    size = ["--height", "100", "--width", "200"]
    training = ["--devices", "4", "--data.crop-size", "32", "--mesh.data", "2", "--memory", "1"]
    assert main(["plan", *training, config, *size]) == 0
    said = capsys.readouterr().out
    method = BilateralConfig(width=8, proxy_size=16, grid_size=4)
    counted = count_cost(build(method), 100, 200)
    assert f"bilateral: {counted.parameters:,} parameters" in said
    assert f"{sum(counted.render.values()) / 20_000:,.0f} " in said
    assert "backbone 40,531, guides 66" in said
    assert said.endswith("fits into 1.0 GB\n")


@pytest.fixture
def planned(monkeypatch):
    """Configurations and numbers of devices of the trainings that are counted."""
    calls = []

    def count(config, *, devices):
        calls.append((config, devices))
        return TrainingCost(
            method="bilateral",
            mesh=plan_mesh(config.mesh, devices),
            parameters={"backbone": 1234},
            multiplications=dict.fromkeys(KINDS, 10**9),
            held={"parameters": 10**9},
            step=10**9,
            remedies=("data.batch_size", "mesh.space"),
        )

    monkeypatch.setattr(training_cost, "count_training_cost", count)
    monkeypatch.setattr(
        cost, "count_cost", lambda *_: cost.Cost(1234, *[dict.fromkeys(KINDS, 0)] * 2)
    )
    return calls


@pytest.mark.parametrize(
    ("memory", "code", "said"),
    [
        (["--memory", "3.5"], 0, "fits into 3.5 GB"),
        (
            ["--memory", "3"],
            1,
            "may not fit into 3.0 GB: a compiler may take 2.5 times the estimate; see "
            "data.batch_size, mesh.space",
        ),
        (["--memory", "1.5"], 1, "does not fit into 1.5 GB; see data.batch_size, mesh.space"),
        ([], 0, "the devices here do not tell their memory: give --memory to learn if it fits"),
    ],
)
def test_whether_a_training_fits(config, planned, capsys, memory, code, said):
    assert main(["plan", config, "--devices", "8", *memory]) == code
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == said
    assert "parameters of its parts: backbone 1,234" in out
    for row in (("all", "3.000", "0.375"), ("parameters", "1,000.0"), ("all", "2,000.0")):
        assert " ".join(row) in " ".join(out.replace("│", " ").split())


def test_memory_is_that_of_the_smallest_device_here(config, planned, capsys, monkeypatch):
    told = [{"bytes_limit": 10**10}, {"bytes_limit": 10**9}]
    devices = [types.SimpleNamespace(memory_stats=lambda each=each: each) for each in told]
    monkeypatch.setattr(jax, "local_devices", lambda: devices)
    assert main(["plan", config, "--devices", "8"]) == 1
    assert "does not fit into 1.0 GB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "devices", "said"),
    [
        (["--devices", "8"], 8, "on 8 x 1 devices"),
        (["--devices", "8", "--mesh.space", "2"], 8, "on 4 x 2 devices"),
        (["--mesh.data", "8", "--mesh.space", "2"], 16, "on 8 x 2 devices"),
        ([], 4, "on 4 x 1 devices"),  # those that are here
    ],
)
def test_devices_of_a_training(config, planned, capsys, options, devices, said):
    assert main(["plan", config, *options]) == 0
    assert planned[0][1] == devices
    assert said in capsys.readouterr().out


def test_groups_of_the_configuration_are_options(config, planned):
    options = ["--method.width", "4", "--data.batch-size", "2", "--optimiser.b1", "0.5"]
    assert main(["plan", config, *options, "--mesh.fsdp", "7"]) == 0
    ((used, _),) = planned
    assert (used.method.width, used.data.batch_size) == (4, 2)
    assert (used.optimiser.b1, used.mesh.fsdp) == (0.5, 7)


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (["--devices", "3"], 1, "batch_size: 8 is not divisible by the 3 devices"),
        (["--devices", "0"], 1, "devices: must be at least 1, not 0"),
        (["--memory", "0"], 1, "memory: must be positive, not 0.0"),
        (["--workdir", "x"], 2, "Unrecognized options: --workdir"),
    ],
)
def test_trainings_that_are_refused(config, capsys, options, code, reason):
    assert main(["plan", config, *options]) == code
    said = capsys.readouterr()
    assert reason in said.err
    assert (said.err.count("\n"), said.out) == (1, "")


def test_the_solve_is_the_one_of_the_weights(capsys):
    assert main(["plan", "dehazeflow", "--height", "64", "--width", "64"]) == 0
    assert "dehazeflow, rk4, 1 step: " in capsys.readouterr().out


def test_weights_that_ship(capsys):
    args = ("--height", "64", "--width", "64", "--solver", "heun", "--steps", "2")
    assert main(["plan", "dehazeflow", *args]) == 0
    count = find_weights("dehazeflow").card["parameters"]
    assert f"dehazeflow, heun, 2 steps: {count:,} parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nothing"], "nothing: no such folder, and no released weights"),
        (["nothing.py"], "nothing.py: no such configuration file"),
        (["dehazeflow", "--height", "0"], "size: must be at least 1 x 1, not 0 x 3840"),
        (["dehazeflow", "--solver", "rk5"], "solver: no solver 'rk5'"),
        (["dehazeflow", "--steps", "0"], "steps: must be a whole number from 1 to 1000000, not 0"),
        (["bilateral", "--steps", "2"], "bilateral: bilateral solves no ODE; leave out steps"),
    ],
)
def test_refusals(arguments, reason, capsys):
    assert main(["plan", *arguments]) == 1
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1
