"""The command's figures are those of `count_cost`."""

import pytest

from dehaze_jax.cli.main import main
from dehaze_jax.methods import build
from dehaze_jax.restoring.cost import count_cost
from dehaze_jax.storage.weights import find_weights

CONFIG = """
from dehaze_jax.methods import BilateralConfig
from dehaze_jax.training import TrainConfig


def get_config(variant="base"):
    return TrainConfig(method=BilateralConfig(width=8, proxy_size=16, grid_size=4))
"""


def test_a_configuration(tmp_path, capsys):
    from dehaze_jax.methods import BilateralConfig

    (tmp_path / "config.py").write_text(CONFIG)
    assert main(["plan", str(tmp_path / "config.py"), "--height", "100", "--width", "200"]) == 0
    said = capsys.readouterr().out
    cost = count_cost(build(BilateralConfig(width=8, proxy_size=16, grid_size=4)), 100, 200)
    assert f"bilateral: {cost.parameters:,} parameters" in said
    assert f"{sum(cost.render.values()) / 20_000:,.0f} " in said


def test_weights_that_ship(capsys):
    assert main(["plan", "dehazeflow", "--height", "64", "--width", "64", "--steps", "2"]) == 0
    count = find_weights("dehazeflow").card["parameters"]
    assert f"dehazeflow, rk4, 2 steps: {count:,} parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nothing"], "nothing: no such folder, and no released weights"),
        (["nothing.py"], "nothing.py: no such configuration file"),
        (["dehazeflow", "--height", "0"], "size: must be at least 1 x 1, not 0 x 3840"),
        (["dehazeflow", "--solver", "rk5"], "solver: no solver 'rk5'"),
        (["dehazeflow", "--steps", "0"], "steps: must be at least 1, not 0"),
    ],
)
def test_refusals(arguments, reason, capsys):
    assert main(["plan", *arguments]) == 1
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1
