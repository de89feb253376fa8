"""`dehaze-jax export`: the file that is written, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax.cli.main import main
from dehaze_jax.methods.protocol import Method
from dehaze_jax.restoring import Restorer, loading


def untrained(*_):
    raise AssertionError("exporting does not train")


HALVES = Method(
    name="toy",
    init=untrained,
    start=untrained,
    train_step=untrained,
    summarise=lambda variables, hazy, options: jnp.float32(0.5),
    render=lambda variables, context, rows, where: rows * context,
    evaluations=lambda options: options.num_steps,
)


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("DEHAZE_JAX_CACHE", "")
    monkeypatch.setattr(loading, "load", lambda *_, **__: Restorer(HALVES, {}))

    def run(*args):
        code = main(["export", *map(str, args)])
        written = capsys.readouterr()
        return code, written.out.splitlines(), written.err.splitlines()

    return run


def test_the_file_restores(tmp_path, run):
    path = tmp_path / "model"
    code, out, err = run(
        path, "--height", 6, "--width", 9, "--dtype", "uint8", "--platforms", "cpu"
    )
    assert (code, err) == (0, [])
    assert "6 x 9 uint8, cpu, " in out[0]
    program = jax.export.deserialize(bytearray(path.read_bytes()))
    hazy = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    assert np.abs(np.asarray(program.call(hazy), float) - hazy / 2).max() <= 0.5  # rounded


def test_options_reach_the_loader(tmp_path, monkeypatch, run):
    seen = []

    def load(name, **options):
        seen.append((name, options))
        return Restorer(HALVES, {})

    monkeypatch.setattr(loading, "load", load)
    arguments = ("--weights", "mine", "--solver", "heun", "--steps", 3, "--height", 2)
    code, *_ = run(tmp_path / "m", *arguments, "--width", 2)
    assert (code, seen) == (0, [("mine", {"solver": "heun", "steps": 3})])


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["m", "--height", "0"], 1, "size: must be at least 1 x 1, not 0 x 3840"),
        (["nowhere/m", "--height", "4"], 1, "nowhere/m: its folder nowhere does not exist"),
        (["m", "--dtype", "int32"], 2, "invalid choice"),
    ],
)
def test_refusals(tmp_path, monkeypatch, run, capsys, arguments, code, line):
    monkeypatch.chdir(tmp_path)
    try:
        left, out, err = run(*arguments)
    except SystemExit as leaving:  # bad usage
        written = capsys.readouterr()
        left, out, err = leaving.code, written.out.splitlines(), written.err.splitlines()
    assert (left, out, len(err)) == (code, [], 1)
    assert line in err[0]
    assert list(tmp_path.iterdir()) == []
