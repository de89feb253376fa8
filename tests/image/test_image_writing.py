"""What is written is what was given: pixels, alpha, grey, profile; whole or not at all."""

import dataclasses
import errno
import os
import pathlib
import tempfile

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from dehaze_jax import InputError
from dehaze_jax.image import Picture, as_picture, read, write

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY = SRGB[:16] + b"GRAY" + SRGB[20:]

LOSSLESS = {
    ".png": (np.uint8, np.uint16),
    ".tif": (np.uint8, np.uint16, np.float32),
    ".tiff": (np.uint8,),
    ".webp": (np.uint8,),
    ".bmp": (np.uint8,),
}


def photograph(shape, dtype=np.uint8):
    """A smooth picture, which lossy formats keep nearly."""
    y, x, c = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    values = 0.5 + 0.4 * np.sin(3 * x + 2 * y + c)
    if np.issubdtype(dtype, np.floating):
        return values.astype(dtype)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


@st.composite
def pictures(draw):
    suffix = draw(st.sampled_from(sorted(LOSSLESS)))
    dtype = draw(st.sampled_from(LOSSLESS[suffix]))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    grey = draw(st.booleans())
    alpha = suffix != ".bmp" and draw(st.booleans())
    # WebP has no grey.
    grey = grey and suffix != ".webp"
    values = np.random.default_rng(draw(st.integers(0, 2**32))).random(
        (height, width, (1 if grey else 3) + alpha)
    )
    edge = draw(st.sampled_from([None, 0.0, 1.0]))
    values = values if edge is None else np.full_like(values, edge)
    scale = 1 if dtype == np.float32 else np.iinfo(dtype).max
    icc = draw(st.sampled_from([None, GREY if grey else SRGB])) if suffix != ".bmp" else None
    return suffix, dataclasses.replace(as_picture((values * scale).astype(dtype)), icc=icc)


@hypothesis.given(pictures())
@hypothesis.settings(max_examples=150, deadline=None)
def test_lossless_formats_give_back_the_picture(drawn):
    suffix, picture = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"a{suffix}"
        write(path, picture)
        result = read(path)
        assert os.listdir(folder) == [path.name]
    assert result.pixels.dtype == picture.pixels.dtype
    np.testing.assert_array_equal(result.pixels, picture.pixels)
    opaque = picture.alpha is not None and (picture.alpha == 255).all()
    if picture.alpha is None or (suffix == ".webp" and opaque):  # WebP stores no full opacity
        assert result.alpha is None
    else:
        np.testing.assert_array_equal(result.alpha, picture.alpha)
    assert result.grey == picture.grey
    assert result.icc == picture.icc


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
@pytest.mark.parametrize("grey", [False, True])
def test_jpeg_is_close_keeps_grey_and_profile_and_drops_alpha(tmp_path, suffix, grey):
    picture = as_picture(photograph((40, 56, 2 if grey else 4)))
    picture = dataclasses.replace(picture, icc=GREY if grey else SRGB)
    write(tmp_path / f"a{suffix}", picture)
    result = read(tmp_path / f"a{suffix}")
    assert np.abs(result.pixels.astype(int) - picture.pixels).max() <= 4
    assert result.alpha is None
    assert result.grey == grey
    assert result.icc == picture.icc


def test_jpeg_keeps_full_chroma(tmp_path):
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    stripes[:, 1::2] = (0, 0, 255)
    write(tmp_path / "a.jpg", stripes)
    assert np.abs(read(tmp_path / "a.jpg").pixels.astype(int) - stripes).max() < 30


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".jpg"])
def test_16_bits_are_rounded_where_there_are_8(tmp_path, suffix):
    pixels = photograph((8, 8, 3), np.uint16)
    write(tmp_path / f"a{suffix}", pixels)
    expected = np.rint(pixels / 257).astype(int)
    tolerance = 6 if suffix == ".jpg" else 0
    assert np.abs(read(tmp_path / f"a{suffix}").pixels - expected).max() <= tolerance


def test_bmp_drops_alpha_and_profile(tmp_path):
    picture = dataclasses.replace(as_picture(photograph((5, 6, 4))), icc=SRGB)
    write(tmp_path / "a.bmp", picture)
    result = read(tmp_path / "a.bmp")
    np.testing.assert_array_equal(result.pixels, picture.pixels)
    assert (result.alpha, result.icc) == (None, None)


def test_webp_writes_grey_as_colour(tmp_path):
    write(tmp_path / "a.webp", photograph((5, 6, 1)))
    np.testing.assert_array_equal(
        read(tmp_path / "a.webp").pixels, np.repeat(photograph((5, 6, 1)), 3, axis=2)
    )


def test_profile_for_other_channels_is_left_out(tmp_path):
    write(tmp_path / "a.png", Picture(np.zeros((2, 2, 3), np.uint8), icc=SRGB, grey=True))
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        assert "icc_profile" not in image.info


def test_grey_of_differing_channels_is_their_mean(tmp_path):
    pixels = np.array([[[10, 20, 33]]], np.uint8)
    write(tmp_path / "a.png", Picture(pixels, grey=True))
    assert read(tmp_path / "a.png").pixels[0, 0, 0] == 21


def test_other_programs_read_the_tiff(tmp_path):
    pixels = photograph((9, 7, 4), np.uint16)
    write(tmp_path / "a.tif", dataclasses.replace(as_picture(pixels), icc=SRGB))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages.first
        assert page.photometric == tifffile.PHOTOMETRIC.RGB
        assert page.extrasamples == (tifffile.EXTRASAMPLE.UNASSALPHA,)
        assert page.tags[34675].value == SRGB
        np.testing.assert_array_equal(page.asarray(), pixels)
    write(tmp_path / "b.tif", photograph((9, 7, 4)))
    with Image.open(tmp_path / "b.tif") as image:
        np.testing.assert_array_equal(np.asarray(image), photograph((9, 7, 4)))


def refused(path, picture, reason):
    before = {p: p.read_bytes() for p in path.parent.glob("*")} if path.parent.is_dir() else {}
    with pytest.raises(InputError, match=reason) as caught:
        write(path, picture)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    if path.parent.is_dir():
        assert {p: p.read_bytes() for p in path.parent.glob("*")} == before


PIXELS = np.zeros((3, 4, 3), np.uint8)


def test_refuses_unknown_suffixes(tmp_path):
    refused(tmp_path / "a.xyz", PIXELS, "suffix")
    refused(tmp_path / "a", PIXELS, "suffix")
    refused(tmp_path / "a.gif", PIXELS, "suffix")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_refuses_floats_where_there_are_none(tmp_path, suffix):
    refused(tmp_path / f"a{suffix}", PIXELS.astype(np.float32), "only TIFF")


def test_refuses_folders_that_are_not_there(tmp_path):
    refused(tmp_path / "absent" / "a.png", PIXELS, "No such file or directory")
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file" / "a.png", PIXELS, "Not a directory")


def test_refuses_a_name_that_a_folder_has(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(InputError, match="directory"):
        write(tmp_path / "a.png", PIXELS)
    assert os.listdir(tmp_path) == ["a.png"]


def test_refuses_pictures_too_large_for_the_format(tmp_path):
    refused(tmp_path / "a.webp", np.zeros((1, 16384, 3), np.uint8), "cannot be written")
    refused(tmp_path / "a.jpg", np.zeros((1, 65536, 3), np.uint8), "cannot be written")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_failing_file_system_leaves_the_older_file(tmp_path, monkeypatch, suffix, step, code):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"older")

    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    target = "builtins.open" if step == "open" else f"os.{step}"
    with monkeypatch.context() as patch:
        patch.setattr(target, fail)
        with pytest.raises(InputError, match=os.strerror(code)) as caught:
            write(path, PIXELS)
    assert str(path) in str(caught.value)
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_while_writing(tmp_path, monkeypatch, suffix):
    real_open = open

    def open_full(path, mode="r", *args, **kwargs):
        if str(path).endswith(".partial"):
            real_open(path, "xb").close()
            return real_open("/dev/full", "wb")
        return real_open(path, mode, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", open_full)
        with pytest.raises(InputError, match="cannot be written"):
            write(tmp_path / f"a{suffix}", photograph((32, 32, 3)))
    assert os.listdir(tmp_path) == []


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "a.png", PIXELS)
    assert os.listdir(tmp_path) == []


def test_replaces_files_and_takes_long_and_odd_names(tmp_path):
    for name in ("a.png", "a.png", "x" * 250 + ".png", "ü #1 %s.PNG"):
        write(tmp_path / name, PIXELS)
        np.testing.assert_array_equal(read(tmp_path / name).pixels, PIXELS)
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o666 & ~mask


def test_pictures_are_checked():
    with pytest.raises(ValueError, match="float64"):
        as_picture(np.zeros((2, 2, 3)))
    with pytest.raises(ValueError, match="5"):
        as_picture(np.zeros((2, 2, 5), np.uint8))
    with pytest.raises(ValueError, match="0"):
        as_picture(np.zeros((0, 2, 3), np.uint8))
