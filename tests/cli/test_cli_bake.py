"""`dehaze-jax bake`: the file does to the picture what the model does."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image as pillow
from scipy.ndimage import gaussian_filter

from dehaze_jax import lut
from dehaze_jax.cli.main import main
from dehaze_jax.methods.protocol import Method
from dehaze_jax.restoring import Restorer, loading


def untrained(*_):
    raise AssertionError("baking does not train")


SQUARES = Method(
    name="toy",
    init=untrained,
    start=untrained,
    train_step=untrained,
    summarise=lambda variables, hazy, options: jnp.float32(0),
    render=lambda variables, context, rows, where: rows**2,
)


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("DEHAZE_JAX_CACHE", "")
    monkeypatch.setattr(loading, "load", lambda *_, **__: Restorer(SQUARES, {}))

    def run(*args):
        code = main(["bake", *map(str, args)])
        written = capsys.readouterr()
        return code, written.out.splitlines(), written.err.splitlines()

    return run


@pytest.fixture
def hazy(tmp_path):
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(80, 110, 3)), (4, 4, 0))
    pixels = ((0.5 + 0.15 * smooth / smooth.std()).clip(0, 1) * 255).astype(np.uint8)
    pillow.fromarray(pixels).save(tmp_path / "hazy.png")
    return pixels


def test_the_table_does_what_the_model_does(tmp_path, hazy, run):
    code, out, err = run(tmp_path / "hazy.png", tmp_path / "look.cube", "--size", 17)
    assert (code, err) == (0, [])
    assert "17 nodes" in out[0]
    cube = lut.read_cube(tmp_path / "look.cube")
    assert cube.table.shape == (17, 17, 17, 3)
    restored = cube(jnp.asarray(hazy, jnp.float32) / 255)
    error = np.asarray(restored) - (hazy / 255.0) ** 2
    assert np.sqrt((error**2).mean()) < 0.005
    stated = float(out[0].split(" dB ")[0].split()[-1])
    assert stated == pytest.approx(-10 * np.log10((error**2).mean()), abs=3)  # on a copy


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["hazy.png", "look.txt"], "look.txt: must be called .cube"),
        (["hazy.png", "look.cube", "--size", "1"], "size: must lie in [2, 129], not 1"),
        (["hazy.png", "look.cube", "--size", "130"], "size: must lie in [2, 129], not 130"),
        (["absent.png", "look.cube"], "absent.png: cannot be read: No such file"),
        (["hazy.png", "nowhere/look.cube"], "nowhere/look.cube: cannot be written"),
    ],
)
@pytest.mark.usefixtures("hazy")
def test_refusals(tmp_path, monkeypatch, run, arguments, line):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out, len(err)) == (1, [], 1)
    assert line in err[0]
    assert [path.name for path in tmp_path.iterdir()] == ["hazy.png"]
