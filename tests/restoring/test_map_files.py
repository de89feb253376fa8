"""Maps beside restored files: what is written, and what is read back."""

import errno
import os

import numpy as np
import pytest

from dehaze_jax import image
from dehaze_jax.errors import InputError
from dehaze_jax.restoring import PictureMaps, Restorer, plan, restore_files

COLOURS = np.random.default_rng(0).integers(0, 256, (21, 9, 3), np.uint8)

pointwise = pytest.mark.parametrize("method", ["pointwise"], indirect=True)


def restore(source, target, restorer):
    return list(restore_files(plan([source], target, maps=True), restorer))


def read_grey(path):
    found = image.read(path)
    assert found.grey
    assert found.pixels.dtype == np.uint16
    assert (found.alpha, found.icc) == (None, None)
    return found.pixels[..., 0]


@pytest.fixture
def restorer(mapping, variables):
    return Restorer(mapping, variables, strip_pixels=64)


@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "grey", "grey 16 bits", "alpha"])
def test_files_hold_the_maps(tmp_path, restorer, twin, maps_twin, kind):
    pixels = COLOURS.astype(np.uint16) * 257 if "16" in kind else COLOURS
    if kind == "alpha":
        pixels = np.concatenate([pixels, pixels[..., :1]], axis=-1)
    image.write(tmp_path / "in.png", pixels[..., 0] if "grey" in kind else pixels)
    (result,) = restore(tmp_path / "in.png", tmp_path / "out.png", restorer)
    assert result.error is None
    assert sorted(path.name for path in tmp_path.glob("*out*")) == [
        "out.png",
        "out_depth.png",
        "out_maps.npz",
        "out_transmission.png",
    ]
    colours = image.to_float(image.read(tmp_path / "in.png").pixels)
    planes, values = maps_twin(colours)
    with np.load(tmp_path / "out_maps.npz") as archive:
        arrays = dict(archive)
    assert sorted(arrays) == ["airlight", "density", "depth", "transmission"]
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    for name, expected in {**planes, **values}.items():
        np.testing.assert_allclose(arrays[name], expected, atol=2e-6, err_msg=name)
    transmission = read_grey(tmp_path / "out_transmission.png")
    np.testing.assert_allclose(transmission, planes["transmission"] * 65535, atol=0.7)
    depth = read_grey(tmp_path / "out_depth.png")
    assert depth.max() == 65535
    np.testing.assert_allclose(depth, planes["depth"] / planes["depth"].max() * 65535, atol=0.7)
    if "grey" not in kind:
        restored = image.to_float(image.read(tmp_path / "out.png").pixels)
        np.testing.assert_allclose(restored, twin(colours), atol=0.6 / 255)


def test_a_depth_of_zero_everywhere(tmp_path):
    class Flat:
        def __call__(self, pixels, *, progress=None):
            return pixels

        def restore_with_maps(self, pixels, *, progress=None, way=None):
            plane = np.zeros(pixels.shape[:2], np.float32)
            return pixels, PictureMaps({"transmission": plane + 1, "depth": plane}, {})

    image.write(tmp_path / "in.png", COLOURS)
    (result,) = restore(tmp_path / "in.png", tmp_path / "out.png", Flat())
    assert result.error is None
    assert not read_grey(tmp_path / "out_depth.png").any()
    assert (read_grey(tmp_path / "out_transmission.png") == 65535).all()


@pointwise
def test_a_folder_goes_on_past_a_bad_file(tmp_path, restorer):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "c.jpg"):
        image.write(tmp_path / "in" / name, COLOURS)
    (tmp_path / "in" / "b.png").write_bytes(b"not a picture")
    results = restore(tmp_path / "in", tmp_path / "out", restorer)
    assert [result.error is None for result in results] == [True, False, True]
    assert sorted(os.listdir(tmp_path / "out")) == sorted(
        ["a.png", "c.jpg"]
        + [f"{n}_{end}" for n in "ac" for end in ("depth.png", "maps.npz", "transmission.png")]
    )


@pointwise
def test_a_full_disk_leaves_no_half_archive(tmp_path, restorer, monkeypatch):
    image.write(tmp_path / "in.png", COLOURS)

    def full(stream, **_):
        stream.write(b"some of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    (result,) = restore(tmp_path / "in.png", tmp_path / "out.png", restorer)
    reason = "out_maps.npz: cannot be written: No space left on device"
    assert str(result.error).endswith(reason)
    assert "out_maps.npz" not in os.listdir(tmp_path)
    assert not list(tmp_path.glob(".*"))


@pointwise
def test_what_finds_no_maps_is_said(tmp_path, method, variables):
    image.write(tmp_path / "in.png", COLOURS)
    (result,) = restore(tmp_path / "in.png", tmp_path / "out.png", lambda pixels, **_: pixels)
    assert str(result.error) == "maps: are asked for of a function that only restores"
    (result,) = restore(tmp_path / "in.png", tmp_path / "out.png", Restorer(method, variables))
    assert isinstance(result.error, InputError)
    assert result.error.subject == "toy"
    assert os.listdir(tmp_path) == ["in.png"]
