"""`dehaze-jax restore` on good and bad input, with a method that halves every value."""

import dataclasses
import errno
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tifffile
from PIL import Image as pillow

from dehaze_jax import image
from dehaze_jax.cli.main import main
from dehaze_jax.methods.config import RestoreOptions
from dehaze_jax.methods.protocol import Maps, Method
from dehaze_jax.restoring import Restorer, loading, ways

COLOURS = np.random.default_rng(0).integers(0, 256, (24, 30, 3), np.uint8)


def untrained(*_):
    raise AssertionError("restoring does not train")


HALVES = Method(
    name="toy",
    init=untrained,
    start=untrained,
    train_step=untrained,
    summarise=lambda variables, hazy, options: jnp.float32(0.5),
    render=lambda variables, context, rows, where: rows * context,
    evaluations=lambda options: 7 * options.num_steps,
)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(loading, "load", lambda *_, **__: Restorer(HALVES, {}, strip_pixels=256))


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs the command; returns exit code and lines of both streams."""
    monkeypatch.setenv("DEHAZE_JAX_CACHE", "")

    def run(*args):
        code = main(["restore", *map(str, args)])
        written = capsys.readouterr()
        return code, written.out.splitlines(), written.err.splitlines()

    return run


def save_png(path, mode, array=COLOURS):
    pillow.fromarray(array).convert(mode).save(path)


def make(kind: str, folder: pathlib.Path) -> pathlib.Path:
    """Writes a picture, or what is meant to be none, with a library that is not ours."""
    path = folder / f"in{'.jpg' if 'jpeg' in kind else '.gif' if 'gif' in kind else '.png'}"
    match kind:
        case "1-bit png":
            save_png(path, "1")
        case "rgba png":
            rgba = np.concatenate([COLOURS, COLOURS[..., :1]], axis=-1)
            pillow.fromarray(rgba).save(path)
        case "16-bit png":
            image.write(path, COLOURS.astype(np.uint16) * 257)
        case "cmyk jpeg":
            save_png(path, "CMYK")
        case "animated gif":
            frames = [pillow.fromarray(COLOURS), pillow.fromarray(COLOURS[::-1].copy())]
            frames[0].save(path, save_all=True, append_images=frames[1:])
        case "1 x 1 png":
            save_png(path, "RGB", COLOURS[:1, :1])
        case "20000 x 20 png":
            save_png(path, "RGB", np.zeros((20, 20000, 3), np.uint8))
        case "truncated png" | "truncated jpeg":
            save_png(path, "RGB")
            path.write_bytes(path.read_bytes()[:-200])
        case "empty png":
            path.write_bytes(b"")
        case "text png":
            path.write_text("a text")
        case "folder png":
            path.mkdir()
        case "nan tiff" | "bright tiff":
            path = folder / "in.tif"
            pixels = np.full((4, 5, 3), 0.5, np.float32)
            pixels[1, 2] = np.nan if kind == "nan tiff" else 255
            tifffile.imwrite(path, pixels, photometric="rgb")
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "1-bit png",
        "rgba png",
        "16-bit png",
        "cmyk jpeg",
        "animated gif",
        "1 x 1 png",
        "20000 x 20 png",
    ],
)
def test_pictures_that_are_handled(tmp_path, toy, run, kind):
    source = make(kind, tmp_path)
    code, out, err = run(source, tmp_path / "out.png")
    assert (code, err) == (0, [])
    before, after = image.read(source), image.read(tmp_path / "out.png")
    assert after.pixels.dtype == before.pixels.dtype
    assert after.grey == before.grey
    np.testing.assert_allclose(after.pixels, before.pixels / 2, atol=0.501)
    if kind == "rgba png":
        np.testing.assert_array_equal(after.alpha, COLOURS[..., 0])
    height, width = before.pixels.shape[:2]
    assert f"{width} x {height}" in out[0]
    assert out[0].endswith(", 28 evaluations")


@pytest.mark.parametrize(
    "kind",
    [
        "truncated png",
        "truncated jpeg",
        "empty png",
        "text png",
        "nan tiff",
        "bright tiff",
    ],
)
def test_pictures_that_are_refused(tmp_path, toy, run, kind):
    source = make(kind, tmp_path)
    target = tmp_path / f"out{source.suffix}"
    code, out, err = run(source, target)
    assert (code, out) == (1, [])
    assert len(err) == 1
    assert err[0].startswith(f"{source}: ")
    assert os.listdir(tmp_path) == [source.name]


def test_a_folder_goes_on_past_bad_files(tmp_path, toy, run):
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a.png", "c.png"):
        image.write(source / name, COLOURS)
    (source / "b.png").write_bytes(b"")
    code, out, err = run(source, tmp_path / "out", "--compare")
    assert code == 1
    assert out[-1] == "2 of 3 pictures restored, 1 failed"
    assert len(out) == 3
    assert len(err) == 1
    assert "b.png" in err[0]
    assert sorted(os.listdir(tmp_path / "out")) == [
        "a.png",
        "a_compare.jpg",
        "c.png",
        "c_compare.jpg",
    ]


def test_sub_folders_only_when_asked(tmp_path, toy, run):
    (tmp_path / "in" / "below").mkdir(parents=True)
    image.write(tmp_path / "in" / "a.png", COLOURS)
    image.write(tmp_path / "in" / "below" / "b.png", COLOURS)
    assert run(tmp_path / "in", tmp_path / "flat")[0] == 0
    assert os.listdir(tmp_path / "flat") == ["a.png"]
    assert run(tmp_path / "in", tmp_path / "deep", "--recursive")[0] == 0
    assert sorted(os.listdir(tmp_path / "deep")) == ["a.png", "below"]


def test_options_reach_the_loader(tmp_path, monkeypatch, run):
    seen = []

    def load(name, **options):
        seen.append((name, options))
        return Restorer(HALVES, {}, RestoreOptions(num_steps=options["steps"]))

    monkeypatch.setattr(loading, "load", load)
    image.write(tmp_path / "in.png", COLOURS)
    arguments = ("--weights", "mine", "--solver", "heun", "--steps", "3")
    code, out, _ = run(tmp_path / "in.png", tmp_path / "out.png", *arguments)
    assert code == 0
    (name, options), devices = seen[0], seen[0][1].pop("devices")
    assert name == "mine"
    assert options == {"solver": "heun", "steps": 3, "baked": None, "memory": None}
    assert devices == jax.local_devices()[:1]
    assert out[0].endswith(", 21 evaluations")


def test_one_evaluation_is_told_as_one(tmp_path, monkeypatch, run):
    method = dataclasses.replace(HALVES, evaluations=lambda options: options.num_steps)
    restorer = Restorer(method, {}, RestoreOptions(num_steps=1))
    monkeypatch.setattr(loading, "load", lambda *_, **__: restorer)
    image.write(tmp_path / "in.png", COLOURS)
    code, out, _ = run(tmp_path / "in.png", tmp_path / "out.png")
    assert code == 0
    assert out[0].endswith(", 1 evaluation")


@pytest.fixture
def as_asked(monkeypatch):
    """The method that halves, with the devices and the memory that are asked for."""

    def load(*_, devices, memory, **__):
        return Restorer(HALVES, {}, strip_pixels=256, devices=devices, memory=memory)

    monkeypatch.setattr(loading, "load", load)


@pytest.mark.devices
def test_several_devices(tmp_path, as_asked, run):
    image.write(tmp_path / "in.png", COLOURS)
    code, out, _ = run(tmp_path / "in.png", tmp_path / "out.png", "--devices", "4")
    assert code == 0
    assert out[0].endswith(", 28 evaluations, on several devices: they have room for it")
    restored = image.read(tmp_path / "out.png").pixels
    np.testing.assert_allclose(restored, COLOURS / 2, atol=0.501)


def test_tiff_in_parts(tmp_path, as_asked, run, monkeypatch):
    monkeypatch.setattr(ways, "STREAM_PIXELS", 0)
    image.write(tmp_path / "in.tif", COLOURS)
    code, out, _ = run(tmp_path / "in.tif", tmp_path / "out.tif", "--memory", "1.5")
    assert code == 0
    assert out[0].endswith(
        ", 28 evaluations, in parts: it is so large that holding it gains nothing"
    )
    restored = image.read(tmp_path / "out.tif").pixels
    np.testing.assert_allclose(restored, COLOURS / 2, atol=0.501)


def test_too_little_memory(tmp_path, as_asked, run):
    image.write(tmp_path / "in.tif", COLOURS)
    code, out, err = run(tmp_path / "in.tif", tmp_path / "out.tif", "--memory", "0.1")
    assert (code, out, len(err)) == (1, [], 1)
    assert err[0].startswith(f"{tmp_path / 'in.tif'}: restoring 30 x 24 needs ")
    assert err[0].endswith("75 MB of the 100 MB there are may be taken")
    assert os.listdir(tmp_path) == ["in.tif"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--devices", "0"], "devices: there are 1 to 4 to choose, not 0"),
        (["--devices", "5"], "devices: there are 1 to 4 to choose, not 5"),
        (["--memory", "0"], "memory: must be more than 0 GB, not 0"),
        (["--memory", "nan"], "memory: must be more than 0 GB, not nan"),
    ],
)
@pytest.mark.devices
def test_devices_and_memory_that_are_refused(tmp_path, as_asked, run, arguments, line):
    image.write(tmp_path / "in.png", COLOURS)
    code, out, err = run(tmp_path / "in.png", tmp_path / "out.png", *arguments)
    assert (code, out, err) == (1, [], [f"dehaze-jax: error: {line}"])


def test_a_solver_without_an_ode_is_refused(tmp_path, run):
    save_png(tmp_path / "in.png", "RGB")
    code, out, err = run(
        tmp_path / "in.png", tmp_path / "out.png", "--weights", "bilateral", "--solver", "rk4"
    )
    assert (code, out) == (1, [])
    assert err == ["dehaze-jax: error: bilateral: bilateral solves no ODE; leave out solver"]
    assert not (tmp_path / "out.png").exists()


def test_baked_is_said_and_reaches_the_loader(tmp_path, monkeypatch, run):
    seen = []

    def load(name, **options):
        seen.append(options["baked"])
        return Restorer(HALVES, {})

    monkeypatch.setattr(loading, "load", load)
    save_png(tmp_path / "in.png", "RGB")
    code, out, _ = run(tmp_path / "in.png", tmp_path / "out.png", "--baked")
    assert (code, seen) == (0, ["local"])
    assert out[0].endswith(", 28 evaluations on a small copy")


@pytest.mark.parametrize(("baked", "end"), [((), " s"), (("--baked",), " s, on a small copy")])
def test_a_method_that_solves_nothing_counts_nothing(tmp_path, monkeypatch, run, baked, end):
    method = dataclasses.replace(HALVES, evaluations=None)
    monkeypatch.setattr(loading, "load", lambda *_, **__: Restorer(method, {}))
    save_png(tmp_path / "in.png", "RGB")
    code, out, _ = run(tmp_path / "in.png", tmp_path / "out.png", *baked)
    assert code == 0
    assert out[0].endswith(end)


def test_a_file_without_read_permission(tmp_path, toy, run, monkeypatch):
    image.write(tmp_path / "in.png", COLOURS)

    def denied(self):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(pathlib.Path, "read_bytes", denied)
    code, _, err = run(tmp_path / "in.png", tmp_path / "out.png")
    assert code == 1
    assert err == [f"{tmp_path / 'in.png'}: cannot be read: Permission denied"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder nobody can write to")
def test_an_output_folder_that_is_not_writable(tmp_path, toy, run):
    image.write(tmp_path / "in.png", COLOURS)
    code, _, err = run(tmp_path / "in.png", "/proc/out.png")
    assert code == 1
    assert len(err) == 1
    assert err[0].startswith("/proc/out.png: cannot be written")


def test_a_full_disk(tmp_path, toy, run, monkeypatch):
    image.write(tmp_path / "in.png", COLOURS)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    code, _, err = run(tmp_path / "in.png", tmp_path / "out.png")
    assert code == 1
    assert err == [f"{tmp_path / 'out.png'}: cannot be written: No space left on device"]
    assert os.listdir(tmp_path) == ["in.png"]


@pytest.mark.parametrize(
    ("arguments", "expected", "line"),
    [
        (["missing.png", "out.png"], 1, "missing.png: does not exist"),
        (["in.png", "in.png"], 1, "in.png: is an input; write to another file or folder"),
        (["in.png", "no/out.png"], 1, "no/out.png: its folder no does not exist"),
        (["empty", "out"], 1, "empty: holds no picture"),
        (["in.png"], 2, "restore: needs an input and an output; see dehaze-jax restore --help"),
        ([], 2, "restore: needs an input and an output; see dehaze-jax restore --help"),
        (["in.png", "out.png", "--maps", "--baked"], 2, "maps: are not found on a small copy"),
    ],
)
def test_arguments_that_are_refused(tmp_path, toy, run, monkeypatch, arguments, expected, line):
    monkeypatch.chdir(tmp_path)
    image.write("in.png", COLOURS)
    os.mkdir("empty")
    before = sorted(os.listdir())
    code, _, err = run(*arguments)
    assert code == expected
    assert len(err) == 1
    assert err[0].startswith(f"dehaze-jax: error: {line}")
    assert sorted(os.listdir()) == before


def test_maps_lie_beside_each_result(tmp_path, monkeypatch, run):
    def find(context, rows, where):
        plane = rows[..., 0]
        return Maps({"transmission": plane, "depth": 2 * plane}, {"density": context})

    method = dataclasses.replace(HALVES, maps=find)
    monkeypatch.setattr(loading, "load", lambda *_, **__: Restorer(method, {}, strip_pixels=256))
    source = tmp_path / "in"
    source.mkdir()
    image.write(source / "a.png", COLOURS)
    (source / "b.png").write_bytes(b"")
    code, out, err = run(source, tmp_path / "out", "--maps")
    assert code == 1
    assert (len(out), len(err)) == (2, 1)
    names = ["a.png", "a_depth.png", "a_maps.npz", "a_transmission.png"]
    assert sorted(os.listdir(tmp_path / "out")) == names
    red = COLOURS[..., 0]
    transmission = image.read(tmp_path / "out" / "a_transmission.png").pixels[..., 0]
    np.testing.assert_array_equal(transmission, red.astype(np.uint16) * 257)
    with np.load(tmp_path / "out" / "a_maps.npz") as arrays:
        np.testing.assert_allclose(arrays["depth"], red / 255 * 2, atol=1e-6)
        assert arrays["density"] == 0.5


def test_maps_that_are_refused(tmp_path, toy, run):
    image.write(tmp_path / "in.png", COLOURS)
    arguments = ("--weights", "mine", "--maps")
    code, out, err = run(tmp_path / "in.png", tmp_path / "out.png", *arguments)
    line = "mine: toy finds no maps; nedr does"
    assert (code, out, err) == (1, [], [f"dehaze-jax: error: {line}"])
    assert os.listdir(tmp_path) == ["in.png"]
