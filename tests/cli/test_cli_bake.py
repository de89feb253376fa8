"""`dehaze-jax bake`: the file does to the picture what the model does."""

import shutil
import subprocess

import jax.numpy as jnp
import numpy as np
import PyOpenColorIO as ocio
import pytest
from PIL import Image as pillow
from scipy.ndimage import gaussian_filter

from dehaze_jax import flow, lut
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
    evaluations=lambda options: options.num_steps,
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


@pytest.mark.parametrize("program", ["opencolorio", "ffmpeg"])
def test_others_apply_the_table_as_we_do(tmp_path, hazy, run, program):
    """The picture that our own global bake gives, to one 8-bit level."""
    run(tmp_path / "hazy.png", tmp_path / "look.cube", "--size", 17)
    table = lut.read_cube(tmp_path / "look.cube").table
    ours = flow.BakedLut(jnp.asarray(table))(jnp.asarray(hazy, jnp.float32) / 255)
    if program == "ffmpeg":
        if not shutil.which("ffmpeg"):
            pytest.skip("ffmpeg is not installed")
        look = "lut3d=file=look.cube:interp=tetrahedral"
        command = ["ffmpeg", "-loglevel", "error", "-i", "hazy.png", "-vf", look, "theirs.png"]
        subprocess.run(command, cwd=tmp_path, check=True)
        theirs = np.asarray(pillow.open(tmp_path / "theirs.png"), np.float32) / 255
    else:
        transform = ocio.FileTransform(str(tmp_path / "look.cube"))
        transform.setInterpolation(ocio.INTERP_TETRAHEDRAL)
        theirs = hazy.astype(np.float32) / 255
        ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor().applyRGB(theirs)
    assert np.abs(np.asarray(ours) - theirs).max() <= (1 / 255 if program == "ffmpeg" else 1e-5)


def test_options_reach_the_loader(tmp_path, hazy, run, monkeypatch):
    seen = []

    def load(name, **options):
        seen.append((name, options))
        return Restorer(SQUARES, {})

    monkeypatch.setattr(loading, "load", load)
    arguments = ("--weights", "mine", "--solver", "heun", "--steps", 3, "--size", 3)
    code, *_ = run(tmp_path / "hazy.png", tmp_path / "look.cube", *arguments)
    assert (code, seen) == (0, [("mine", {"solver": "heun", "steps": 3})])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["hazy.png", "look.txt"], "look.txt: must be called .cube"),
        (["hazy.png", "look.cube", "--size", "1"], "size: must lie in [2, 129], not 1"),
        (["hazy.png", "look.cube", "--size", "130"], "size: must lie in [2, 129], not 130"),
        (["absent.png", "look.cube"], "absent.png: cannot be read: No such file"),
        (["hazy.png", "nowhere/look.cube"], "nowhere/look.cube: its folder nowhere does not exist"),
    ],
)
@pytest.mark.usefixtures("hazy")
def test_refusals(tmp_path, monkeypatch, run, arguments, line):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out, len(err)) == (1, [], 1)
    assert line in err[0]
    assert [path.name for path in tmp_path.iterdir()] == ["hazy.png"]
