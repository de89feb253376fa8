"""TIFF read and written a few rows at a time, against the same pictures in memory."""

import os

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from dehaze_jax import InputError, image
from dehaze_jax.image import tiff_rows
from dehaze_jax.image.encoding import tiff_options

RNG = np.random.default_rng(0)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY = SRGB[:16] + b"GRAY" + SRGB[20:]
HEIGHT, WIDTH = 75, 101
WINDOWS = [(0, 20), (16, 44), (40, 41), (36, 75), (0, 75)]

LAYOUTS = {
    "one strip": {},
    "strips of one row": {"rowsperstrip": 1},
    "strips that do not divide": {"rowsperstrip": 7},
    "tiles that do not divide": {"tile": (32, 48)},
    "a tile larger than the picture": {"tile": (128, 128)},
    "planes": {"planarconfig": "separate", "rowsperstrip": 7},
    "tiled planes": {"planarconfig": "separate", "tile": (32, 16)},
    "big-endian": {"byteorder": ">", "rowsperstrip": 7},
    "big-endian tiles": {"byteorder": ">", "tile": (16, 32), "compression": "zlib"},
    "BigTIFF": {"bigtiff": True, "tile": (32, 32)},
    "deflate": {"compression": "zlib", "rowsperstrip": 7},
    "one deflated strip": {"compression": "zlib", "rowsperstrip": HEIGHT},
    "deflated tiles, predictor": {"compression": "zlib", "predictor": 2, "tile": (32, 48)},
    "deflated planes": {"compression": "zlib", "planarconfig": "separate", "tile": (32, 48)},
    "PackBits": {"compression": "packbits", "rowsperstrip": 7},
    "LZW": {"compression": "lzw", "rowsperstrip": 7},
    "Zstandard": {"compression": "zstd", "tile": (32, 48)},
    "LZMA": {"compression": "lzma", "rowsperstrip": 16},
}
NEED_A_PACKAGE = ("PackBits", "LZW", "Zstandard", "LZMA")


def samples(dtype, channels):
    values = RNG.random((HEIGHT, WIDTH, channels))
    values = values if dtype == "float32" else np.round(values * np.iinfo(dtype).max)
    return values.astype(dtype)[..., 0] if channels == 1 else values.astype(dtype)


def check_rows(path, colours, alpha=None):
    with image.open_rows(path) as rows:
        assert rows.pixels.shape == colours.shape
        assert rows.pixels.dtype == colours.dtype
        assert (rows.alpha is None) == (alpha is None)
        for start, stop in WINDOWS:
            np.testing.assert_array_equal(rows.pixels[start:stop], colours[start:stop])
            if alpha is not None and rows.alpha is not None:
                np.testing.assert_array_equal(rows.alpha[start:stop], alpha[start:stop])


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_layout_of_colour(tmp_path, layout, dtype):
    if layout in NEED_A_PACKAGE:
        pytest.importorskip("imagecodecs")
    pixels, options = samples(dtype, 3), LAYOUTS[layout]
    planes = np.moveaxis(pixels, -1, 0) if "planarconfig" in options else pixels
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", **options)
    assert image.read_layout(tmp_path / "a.tif")[:2] == (HEIGHT, WIDTH)
    check_rows(tmp_path / "a.tif", pixels)
    if layout not in NEED_A_PACKAGE:
        np.testing.assert_array_equal(image.read(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize("layout", ["one strip", "tiles that do not divide", "deflate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey(tmp_path, layout, dtype, photometric):
    pixels = samples(dtype, 1)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric, **LAYOUTS[layout])
    most = 1 if dtype == "float32" else np.iinfo(dtype).max
    check_rows(tmp_path / "a.tif", pixels if photometric == "minisblack" else most - pixels)


@pytest.mark.parametrize("layout", ["one strip", "deflated tiles, predictor", "deflated planes"])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_alpha(tmp_path, layout, channels, dtype):
    pixels, options = samples(dtype, channels), {"planarconfig": "contig", **LAYOUTS[layout]}
    planes = np.moveaxis(pixels, -1, 0) if options["planarconfig"] == "separate" else pixels
    photometric = "rgb" if channels == 4 else "minisblack"
    tifffile.imwrite(
        tmp_path / "a.tif", planes, photometric=photometric, extrasamples=["unassalpha"], **options
    )
    colours = pixels[..., 0] if channels == 2 else pixels[..., :3]
    check_rows(tmp_path / "a.tif", colours, pixels[..., -1])


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_become_float32(tmp_path, dtype):
    pixels = samples("float32", 3).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", tile=(32, 32))
    check_rows(tmp_path / "a.tif", pixels.astype(np.float32))


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_gaps_are_black(tmp_path, compression):
    pixels = samples("uint8", 3)
    pixels[32:64, 32:64] = 0
    tiles = [
        None if (top, left) == (32, 32) else pixels[top : top + 32, left : left + 32]
        for top in range(0, HEIGHT, 32)
        for left in range(0, WIDTH, 32)
    ]
    tifffile.imwrite(
        tmp_path / "a.tif",
        iter(tiles),
        shape=pixels.shape,
        dtype=pixels.dtype,
        tile=(32, 32),
        photometric="rgb",
        compression=compression,
    )
    check_rows(tmp_path / "a.tif", pixels)


@pytest.mark.parametrize(
    ("icc", "channels", "kept"),
    [(SRGB, 3, SRGB), (SRGB, 1, None), (GREY, 1, GREY), (GREY, 3, None), (None, 3, None)],
)
def test_profiles_that_fit_are_kept(tmp_path, icc, channels, kept):
    photometric = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(
        tmp_path / "a.tif", samples("uint8", channels), photometric=photometric, iccprofile=icc
    )
    with image.open_rows(tmp_path / "a.tif") as rows:
        assert rows.icc == kept


def test_each_tile_is_decoded_once(tmp_path, monkeypatch):
    """Windows from top to bottom that overlap by a halo."""
    tifffile.imwrite(
        tmp_path / "a.tif", samples("uint8", 3), photometric="rgb", tile=(16, 16), compression=8
    )
    decoded = []
    decode = tiff_rows.TiffRows._decode

    def spied(self, number):
        decoded.append(number)
        return decode(self, number)

    monkeypatch.setattr(tiff_rows.TiffRows, "_decode", spied)
    with image.open_rows(tmp_path / "a.tif") as rows:
        for start in range(0, HEIGHT, 10):
            rows.pixels[max(0, start - 3) : min(start + 13, HEIGHT)]
    assert decoded == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("layout", ["one strip", "deflate", "deflated tiles, predictor"])
def test_a_file_that_is_cut_off(tmp_path, layout):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, samples("uint8", 3), photometric="rgb", **LAYOUTS[layout])
    os.truncate(path, path.stat().st_size * 3 // 4)
    with image.open_rows(path) as rows:
        assert rows.pixels[:7].shape == (7, WIDTH, 3)
        with pytest.raises(InputError, match=r"a\.tif: cannot be read: "):
            rows.pixels[HEIGHT - 7 :]


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 255])
def test_floats_out_of_range(tmp_path, value):
    pixels = samples("float32", 3)
    pixels[40, 50, 1] = value
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", rowsperstrip=7)
    with image.open_rows(tmp_path / "a.tif") as rows:
        rows.pixels[:40]
        with pytest.raises(InputError, match=r"a\.tif: .*\[0, 1\]"):
            rows.pixels[40:44]


def turned(path):
    tag = [(0x0112, "H", 1, 6, True)]
    tifffile.imwrite(path, samples("uint8", 3), photometric="rgb", extratags=tag)


def premultiplied(path):
    tifffile.imwrite(path, samples("uint8", 4), photometric="rgb", extrasamples=["assocalpha"])


def packed(path):
    tifffile.imwrite(path, RNG.random((16, 16)) > 0.5, photometric="minisblack")


OBSTACLES = {
    "palette": (
        lambda path: Image.fromarray(samples("uint8", 3)).convert("P").save(path),
        "neither grey nor RGB",
    ),
    "CMYK": (
        lambda path: Image.fromarray(samples("uint8", 3)).convert("CMYK").save(path),
        "neither grey nor RGB",
    ),
    "turned": (turned, "not stored upright"),
    "premultiplied": (premultiplied, "plain alpha"),
    "one bit": (packed, "samples"),
    "signed": (
        lambda path: tifffile.imwrite(path, np.zeros((8, 8), np.int16), photometric="minisblack"),
        "samples are of 16 bits",
    ),
    "JPEG": (
        lambda path: Image.fromarray(samples("uint8", 3)).save(path, compression="jpeg"),
        "neither grey nor RGB|JPEG",
    ),
}


@pytest.mark.parametrize("kind", list(OBSTACLES))
def test_obstacles(tmp_path, kind):
    make, reason = OBSTACLES[kind]
    make(tmp_path / "a.tif")
    layout = image.read_layout(tmp_path / "a.tif")
    assert layout.obstacle is not None
    with (
        pytest.raises(InputError, match=rf"a\.tif: cannot be read: .*({reason})"),
        image.open_rows(tmp_path / "a.tif"),
    ):
        pass


def test_without_imagecodecs_the_line_says_so(tmp_path, monkeypatch):
    pytest.importorskip("imagecodecs")
    tifffile.imwrite(tmp_path / "a.tif", samples("uint8", 3), photometric="rgb", compression="lzw")
    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", {1: None, 8: None})
    assert image.read_layout(tmp_path / "a.tif").obstacle == "its LZW needs the package imagecodecs"


@pytest.mark.parametrize(
    ("name", "array", "pixel_bytes"),
    [
        ("a.png", samples("uint8", 3), 4),
        ("a.png", samples("uint16", 3), 8),
        ("a.jpg", samples("uint8", 3), 4),
        ("a.tif", samples("uint8", 3), 4),
        ("a.tif", samples("uint16", 4), 8),
        ("a.tif", samples("float32", 3), 16),
    ],
)
def test_layouts(tmp_path, name, array, pixel_bytes):
    image.write(tmp_path / name, array)
    layout = image.read_layout(tmp_path / name)
    assert layout[:3] == (HEIGHT, WIDTH, pixel_bytes)
    assert (layout.obstacle is None) == name.endswith("tif")
    if name.endswith("tif"):  # our own are deflated, so one strip has to be decoded at once
        assert 0 < layout.segment_bytes <= array.nbytes


def test_uncompressed_strips_are_not_decoded(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", samples("uint8", 3), photometric="rgb")
    assert image.read_layout(tmp_path / "a.tif").segment_bytes == 0
    tifffile.imwrite(tmp_path / "b.tif", samples("uint8", 3), photometric="rgb", tile=(32, 48))
    assert image.read_layout(tmp_path / "b.tif").segment_bytes == 32 * WIDTH * 3


@pytest.mark.parametrize("data", [b"", b"a text", b"II*\0", b"\x89PNG\r\n\x1a\n"])
def test_layouts_of_what_is_no_picture(tmp_path, data):
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.tif: cannot be read: "):
        image.read_layout(tmp_path / "a.tif")
    with pytest.raises(InputError, match="No such file"):
        image.read_layout(tmp_path / "missing.tif")


# What is written


def written(path, pixels, band, **options):
    height, width = pixels.shape[:2]
    bands = (pixels[start : start + band] for start in range(0, height, band))
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    options = {"height": height, "width": width, "channels": channels, **options}
    image.write_rows(path, bands, dtype=pixels.dtype, **options)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("size", "band"), [((1, 1), 1), ((300, 270), 77), ((512, 256), 512)])
def test_bands_become_tiles(tmp_path, dtype, channels, size, band):
    pixels = np.resize(samples(dtype, channels), (*size, channels))
    pixels = pixels[..., 0] if channels == 1 else pixels
    written(tmp_path / "a.tif", pixels, band, icc=SRGB)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), pixels)
    picture, again = image.read(tmp_path / "a.tif"), image.as_picture(pixels)
    np.testing.assert_array_equal(picture.pixels, again.pixels)
    assert picture.grey == (channels < 3)
    if channels in (2, 4):
        np.testing.assert_array_equal(picture.alpha, again.alpha)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.tile == (256, 256)
        assert file.pages.first.iccprofile == SRGB


def test_what_fails_leaves_the_older_file(tmp_path):
    def bands():
        yield np.zeros((256, 300, 3), np.uint8)
        raise InputError("hazy.tif", "cannot be read: the file is cut off")

    (tmp_path / "a.tif").write_bytes(b"older")
    with pytest.raises(InputError, match=r"^hazy\.tif: cannot be read: the file is cut off$"):
        image.write_rows(
            tmp_path / "a.tif", bands(), height=600, width=300, channels=3, dtype=np.dtype("uint8")
        )
    assert os.listdir(tmp_path) == ["a.tif"]
    assert (tmp_path / "a.tif").read_bytes() == b"older"


@pytest.mark.parametrize(("rows", "big"), [(10000, False), (35000, False), (36000, True)])
def test_bigtiff_from_4_gigabytes_on(rows, big):
    assert tiff_options(rows, 40000, 3, np.dtype(np.uint8), None)["bigtiff"] == big
