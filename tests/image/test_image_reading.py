"""Every kind of file that cameras and programs write, and the faults of files."""

import struct
import subprocess
import sys
import zlib

import colour
import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from dehaze_jax import InputError
from dehaze_jax.image import IMAGE_SUFFIXES, decoding, png, read, read_depth, read_size, write

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8)
COLOUR16 = RNG.integers(0, 65536, (6, 9, 3)).astype(np.uint16)
GREY16 = RNG.integers(0, 65536, (6, 9)).astype(np.uint16)
ALPHA16 = RNG.integers(0, 65536, (6, 9)).astype(np.uint16)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(path, image, **options):
    image.save(path, **options)
    return path


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content)
    )  # fmt: skip


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def turned(pixels, orientation):
    """What EXIF 2.32, table 6, says: on which side the stored row 0 and column 0 lie."""
    row, column = {
        1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "lt", 6: "rt", 7: "rb", 8: "lb",
    }[orientation]  # fmt: skip
    if row in "lr":
        pixels, row, column = pixels.swapaxes(0, 1), column, row
    pixels = pixels[::-1] if row == "b" else pixels
    return pixels[:, ::-1] if column == "r" else pixels


# What is read


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png8", "png16", "webp", "tif8", "tif16", "tif16lzw", "jpg"])
def test_orientation_is_applied_once(tmp_path, kind, orientation):
    tag = [(0x0112, "H", 1, orientation, True)]
    path = tmp_path / f"a.{kind if kind == 'webp' else kind[:3]}"
    stored = COLOUR16 if kind.startswith(("png16", "tif16")) else COLOUR
    if kind == "png16":
        write(path, COLOUR16)
        data = path.read_bytes()
        # At the end, where some programs put it.
        path.write_bytes(data[:-12] + chunk(b"eXIf", exif(orientation)[6:]) + data[-12:])
    elif kind.startswith("tif"):
        compression = "lzw" if kind.endswith("lzw") else None
        if compression:
            pytest.importorskip("imagecodecs")
        tifffile.imwrite(path, stored, photometric="rgb", compression=compression, extratags=tag)
    else:
        options = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}
        Image.fromarray(COLOUR).save(path, exif=exif(orientation), **options.get(kind, {}))
    picture = read(path)
    difference = np.abs(picture.pixels.astype(int) - turned(stored, orientation))
    assert difference.max() <= (4 if kind == "jpg" else 0)
    assert read_size(path) == picture.pixels.shape[:2]
    write(tmp_path / "b.png", picture)
    np.testing.assert_array_equal(read(tmp_path / "b.png").pixels, picture.pixels)
    with Image.open(tmp_path / "b.png") as image:
        assert 0x0112 not in image.getexif()


def test_broken_exif_is_no_obstacle(tmp_path):
    path = saved(tmp_path / "a.jpg", Image.fromarray(COLOUR), exif=b"Exif\0\0 garbage")
    assert read(path).pixels.shape == COLOUR.shape
    assert read_size(path) == COLOUR.shape[:2]


def test_16_bit_png(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), COLOUR16[..., ::-1])
    picture = read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, COLOUR16)
    assert (picture.alpha, picture.grey) == (None, False)
    cv2.imwrite(str(tmp_path / "b.png"), GREY16)
    picture = read(tmp_path / "b.png")
    np.testing.assert_array_equal(picture.pixels, np.repeat(GREY16[..., None], 3, axis=2))
    assert (picture.alpha, picture.grey) == (None, True)
    cv2.imwrite(str(tmp_path / "c.png"), np.dstack([COLOUR16[..., ::-1], ALPHA16]))
    picture = read(tmp_path / "c.png")
    np.testing.assert_array_equal(picture.pixels, COLOUR16)
    np.testing.assert_array_equal(picture.alpha, ALPHA16)


def test_16_bit_png_with_a_transparent_colour(tmp_path):
    write(tmp_path / "a.png", COLOUR16)
    data = (tmp_path / "a.png").read_bytes()
    key = chunk(b"tRNS", COLOUR16[0, 0].astype(">u2").tobytes())
    (tmp_path / "a.png").write_bytes(data[:33] + key + data[33:])
    picture = read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, COLOUR16)
    assert picture.alpha[0, 0] == 0
    assert (picture.alpha.ravel()[1:] == 65535).all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_bits(tmp_path, bits):
    row = np.arange(2**bits, dtype=np.uint8)
    packed = np.packbits(((row[:, None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8))
    header = struct.pack(">IIBBBBB", len(row), 1, bits, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" + packed.tobytes())
    parts = chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png.SIGNATURE + b"".join(parts))
    picture = read(tmp_path / "a.png")
    assert picture.grey
    np.testing.assert_array_equal(picture.pixels[0, :, 0], row * (255 // (2**bits - 1)))


def test_palette_with_transparency(tmp_path):
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    picture = read(saved(tmp_path / "a.png", image, transparency=bytes([0, 128, 255])))
    np.testing.assert_array_equal(picture.pixels[0, :, 0], [10, 40, 70])
    np.testing.assert_array_equal(picture.alpha[0], [0, 128, 255])
    assert not picture.grey
    picture = read(saved(tmp_path / "b.png", image))
    assert picture.alpha is None
    np.testing.assert_array_equal(picture.pixels[0, 2], [70, 80, 90])


def test_grey_with_alpha_and_a_profile(tmp_path):
    image = Image.merge("LA", [Image.fromarray(COLOUR[..., i]) for i in (0, 1)])
    grey_profile = SRGB[:16] + b"GRAY" + SRGB[20:]
    picture = read(saved(tmp_path / "a.png", image, icc_profile=grey_profile))
    assert picture.grey
    np.testing.assert_array_equal(picture.pixels[..., 2], COLOUR[..., 0])
    np.testing.assert_array_equal(picture.alpha, COLOUR[..., 1])
    assert picture.icc == grey_profile
    # A profile for colour says nothing of grey samples.
    assert read(saved(tmp_path / "b.png", image, icc_profile=SRGB)).icc is None


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_of_an_animation_the_first_frame_counts(tmp_path, suffix):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if suffix == ".webp" else {}
    path = saved(
        tmp_path / f"a{suffix}", frames[0], save_all=True, append_images=frames[1:], **options
    )
    with Image.open(path) as image:
        assert image.n_frames == 3
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels, np.full((4, 5, 3), (255, 0, 0), np.uint8))


def test_of_several_pages_the_first_counts(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([COLOUR16, 65535 - COLOUR16]), photometric="rgb")
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, COLOUR16)
    pages = [Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)]
    saved(tmp_path / "b.tif", pages[0], save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read(tmp_path / "b.tif").pixels, COLOUR)


def cmyk_profile(lab):
    """A minimal ICC 2 printer profile: each of the 16 corners of C M Y K is one L*a*b* colour."""
    identity = bytes(range(256))
    table = b"".join(bytes(lab(*corner)) for corner in np.ndindex(2, 2, 2, 2))
    matrix = struct.pack(">9i", *(65536 * np.eye(3, dtype=int).ravel()))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + 4 * identity + table + 3 * identity
    lut += bytes(-len(lut) % 4)
    tags = {b"A2B0": lut, b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)}
    offset, directory, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        directory += name + struct.pack(">II", offset + len(body), len(content))
        body += content
    size = offset + len(body)
    head = struct.pack(">I", size) + b"lcms" + struct.pack(">I", 0x02400000) + b"prtrCMYKLab "
    head = (head + bytes(12) + b"acsp").ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + directory + body


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_becomes_srgb_through_its_profile(tmp_path, suffix):
    ink = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    plain = read(saved(tmp_path / f"a{suffix}", ink))
    assert np.abs(plain.pixels - np.array([0, 255, 255])).max() <= 3
    # In the profile's 8-bit L*a*b* (D50): paper, black ink, and cyan ink, which is a muted blue.
    profile = cmyk_profile(
        lambda c, m, y, k: (0, 128, 128) if k else (140, 108, 98) if c else (255, 128, 128)
    )
    picture = read(saved(tmp_path / f"b{suffix}", ink, icc_profile=profile))
    lab = np.array([140 * 100 / 255, 108 - 128, 98 - 128])
    d50 = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D50"]
    expected = colour.XYZ_to_sRGB(colour.Lab_to_XYZ(lab, d50), d50, "Bradford") * 255
    assert np.abs(picture.pixels - expected).max() <= 3
    assert picture.icc is None
    assert not picture.grey


@pytest.mark.parametrize(
    ("samples", "options"),
    [
        (COLOUR16, {"photometric": "rgb", "iccprofile": SRGB}),
        (COLOUR16, {"photometric": "rgb", "compression": "zlib", "predictor": True}),
        (COLOUR16, {"photometric": "rgb", "byteorder": ">", "bigtiff": True}),
        (COLOUR16, {"photometric": "rgb", "tile": (16, 16)}),
        (GREY16, {"photometric": "minisblack"}),
        (np.float32(COLOUR16 / 65535), {"photometric": "rgb", "iccprofile": SRGB}),
        (np.float64(GREY16 / 65535), {"photometric": "minisblack"}),
        (np.float16(GREY16 / 65535), {"photometric": "minisblack"}),
    ],
)
def test_tiff_of_many_bits(tmp_path, samples, options):
    tifffile.imwrite(tmp_path / "a.tif", samples, **options)
    picture = read(tmp_path / "a.tif")
    floats = np.issubdtype(samples.dtype, np.floating)
    assert picture.pixels.dtype == (np.float32 if floats else np.uint16)
    assert picture.grey == (samples.ndim == 2)
    expected = samples if samples.ndim == 3 else samples[..., None].repeat(3, axis=2)
    np.testing.assert_array_equal(picture.pixels, expected.astype(picture.pixels.dtype))
    assert picture.icc == options.get("iccprofile")


def test_tiff_layouts(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.moveaxis(COLOUR16, 2, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read(path).pixels, COLOUR16)
    tifffile.imwrite(path, GREY16, photometric="miniswhite")
    np.testing.assert_array_equal(read(path).pixels[..., 0], 65535 - GREY16)
    both = np.dstack([GREY16, ALPHA16])
    tifffile.imwrite(
        path, both, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]
    )
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels[..., 0], GREY16)
    np.testing.assert_array_equal(picture.alpha, ALPHA16)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_tiff_compressed_as_most_programs_do(tmp_path, dtype):
    pixels = COLOUR16 if dtype == np.uint16 else np.float32(COLOUR16 / 65535)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_LZW]
    cv2.imwrite(str(tmp_path / "a.tif"), np.ascontiguousarray(pixels[..., ::-1]), options)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.compression == tifffile.COMPRESSION.LZW
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize(
    "compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd"]
)
def test_tiff_of_8_bits(tmp_path, compression):
    rgba = Image.fromarray(np.dstack([COLOUR, COLOUR[..., 0]]))
    picture = read(saved(tmp_path / "a.tif", rgba, compression=compression, icc_profile=SRGB))
    np.testing.assert_array_equal(picture.pixels, COLOUR)
    np.testing.assert_array_equal(picture.alpha, COLOUR[..., 0])
    assert picture.icc == SRGB
    ink = Image.fromarray(COLOUR[..., 0] > 127)
    picture = read(saved(tmp_path / "b.tif", ink, compression="group4"))
    assert picture.grey
    np.testing.assert_array_equal(picture.pixels[..., 1], (COLOUR[..., 0] > 127) * np.uint8(255))


@pytest.mark.parametrize("size", [(1, 1), (20000, 20), (20, 20000)])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
def test_extreme_sizes(tmp_path, size, suffix):
    write(tmp_path / f"a{suffix}", np.full((*size, 3), 200, np.uint8))
    picture = read(tmp_path / f"a{suffix}")
    assert picture.pixels.shape == (*size, 3)
    assert (picture.pixels == 200).all()
    assert read_size(tmp_path / f"a{suffix}") == size


def test_pictures_of_16k_raise_no_alarm(tmp_path):
    Image.new("L", (15360, 8640)).save(tmp_path / "a.png", compress_level=1)
    assert read_size(tmp_path / "a.png") == (8640, 15360)
    assert read(tmp_path / "a.png").pixels.shape == (8640, 15360, 3)


def test_content_decides_not_the_name(tmp_path):
    path = saved(tmp_path / "a.jpg", Image.fromarray(COLOUR), format="PNG")
    np.testing.assert_array_equal(read(path).pixels, COLOUR)


def test_every_suffix_is_a_format_that_is_read(tmp_path):
    for suffix in IMAGE_SUFFIXES:
        path = saved(tmp_path / f"a{suffix}", Image.fromarray(COLOUR))
        assert read(path).pixels.shape == COLOUR.shape
        assert read_size(path) == COLOUR.shape[:2]


# Depth


def test_depth_maps(tmp_path):
    depth = np.linspace(0.5, 80, 12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "a.npy", depth.astype(np.float64))
    np.testing.assert_array_equal(read_depth(tmp_path / "a.npy"), depth)
    tifffile.imwrite(tmp_path / "a.tif", depth)
    np.testing.assert_array_equal(read_depth(tmp_path / "a.tif"), depth)
    write(tmp_path / "a.png", GREY16)
    np.testing.assert_allclose(read_depth(tmp_path / "a.png"), GREY16 / 65535, rtol=1e-6)
    np.save(tmp_path / "b.npy", COLOUR[..., 0])
    np.testing.assert_allclose(read_depth(tmp_path / "b.npy"), COLOUR[..., 0] / 255, rtol=1e-6)
    write(tmp_path / "b.png", np.repeat(COLOUR[..., :1], 3, axis=2))
    result = read_depth(tmp_path / "b.png")
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, COLOUR[..., 0] / 255, rtol=1e-6)


def test_bad_depth_maps(tmp_path):
    write(tmp_path / "a.png", COLOUR)
    with pytest.raises(InputError, match=r"a\.png.*one channel"):
        read_depth(tmp_path / "a.png")
    for name, array, reason in (
        ("cube", np.zeros((2, 2, 2)), r"\[h, w\]"),
        ("empty", np.zeros((0, 4)), r"\[h, w\]"),
        ("nan", np.array([[1, np.nan]]), "NaN"),
        ("signed", np.zeros((2, 2), np.int32), "int32"),
        ("pickled", np.array([[{}]]), "pickle"),
    ):
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(InputError, match=rf"{name}\.npy.*{reason}"):
            read_depth(tmp_path / f"{name}.npy")


# What is refused


def refused(path, reason="", reader=read):
    with pytest.raises(InputError, match=reason) as caught:
        reader(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message) > len(f"{path}: cannot be read: ")
    assert "\n" not in message


def test_absent_empty_and_foreign_files(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a picture at all")
    (tmp_path / "zeros.tif").write_bytes(bytes(1000))
    for reader in (read, read_size, read_depth):
        refused(tmp_path / "absent.png", "No such file", reader)
        refused(tmp_path, "Is a directory", reader)
        refused(tmp_path / "empty.png", "empty", reader)
        refused(tmp_path / "text.jpg", "not a picture", reader)
        refused(tmp_path / "zeros.tif", "not a picture", reader)


def test_files_without_read_permission(tmp_path, monkeypatch):
    def deny(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    write(tmp_path / "a.png", COLOUR)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.read_bytes", deny)
        refused(tmp_path / "a.png", "Permission denied")


CUT = {
    "jpg": lambda p: saved(p, Image.fromarray(COLOUR).resize((200, 150))),
    "jpg-progressive": lambda p: saved(
        p, Image.fromarray(COLOUR).resize((200, 150)), format="JPEG", progressive=True
    ),
    "png": lambda p: saved(p, Image.fromarray(COLOUR).resize((200, 150))),
    "png16": lambda p: write(p.with_suffix(".png"), COLOUR16) or p.with_suffix(".png").rename(p),
    "gif": lambda p: saved(p, Image.fromarray(COLOUR).resize((200, 150))),
    "webp": lambda p: saved(p, Image.fromarray(COLOUR).resize((200, 150))),
    "bmp": lambda p: saved(p, Image.fromarray(COLOUR).resize((200, 150))),
    "tif": lambda p: saved(p, Image.fromarray(COLOUR).resize((200, 150))),
    "tif-lzw": lambda p: saved(
        p, Image.fromarray(COLOUR).resize((200, 150)), format="TIFF", compression="tiff_lzw"
    ),
    "tif16": lambda p: tifffile.imwrite(p, COLOUR16, photometric="rgb") or p,
    "tif16-deflate": lambda p: (
        tifffile.imwrite(p, COLOUR16, photometric="rgb", compression="zlib") or p
    ),
}


@pytest.mark.parametrize("kind", CUT)
def test_files_cut_off_anywhere(tmp_path, capfd, kind):
    whole = CUT[kind](tmp_path / f"a.{kind}").read_bytes()
    path = tmp_path / f"cut.{kind}"
    lengths = [1, 3, 8, 12, 20, 30, 60, *(len(whole) * np.linspace(0.1, 0.95, 8)).astype(int)]
    for length in {int(n) for n in lengths if n < len(whole)}:
        path.write_bytes(whole[:length])
        refused(path, "cannot be read")
    assert capfd.readouterr().err == ""


def test_16_bit_lzw_tiff_cut_off(tmp_path, capfd):
    options = [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_LZW]
    cv2.imwrite(str(tmp_path / "a.tif"), COLOUR16, options)
    whole = (tmp_path / "a.tif").read_bytes()
    for length in (9, len(whole) // 2, len(whole) - 40):
        (tmp_path / "a.tif").write_bytes(whole[:length])
        refused(tmp_path / "a.tif", "cannot be read")
    assert capfd.readouterr().err == ""


def test_damaged_16_bit_png(tmp_path, capfd):
    write(tmp_path / "a.png", COLOUR16)
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[len(data) // 2] ^= 255
    (tmp_path / "a.png").write_bytes(data)
    refused(tmp_path / "a.png", "damaged")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("value", "reason"), [(np.nan, "NaN"), (np.inf, "NaN"), (1.5, "0.5 to 1.5"), (-0.25, "-0.25")]
)
def test_float_tiff_with_values_that_are_no_colours(tmp_path, value, reason):
    pixels = np.full((4, 5, 3), 0.5, np.float32)
    pixels[1, 2, 0] = value
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    refused(tmp_path / "a.tif", reason)


def test_tiff_that_is_not_supported(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COLOUR16, photometric="cielab")
    refused(path, "CIELAB")
    tifffile.imwrite(path, COLOUR16.astype(np.int16), photometric="rgb")
    refused(path, "int16")
    five = np.dstack([COLOUR16, ALPHA16, ALPHA16])
    tifffile.imwrite(path, five, photometric="rgb", extrasamples=[0, 0])
    refused(path, "5 channels")
    tifffile.imwrite(
        path, np.dstack([COLOUR16, ALPHA16]), photometric="rgb", extrasamples=["assocalpha"]
    )
    refused(path, "premultiplied")
    tifffile.imwrite(path, GREY16, photometric="miniswhite", compression="lzma")
    refused(path, "LZMA")


def test_pictures_too_large_to_be_meant(tmp_path, monkeypatch):
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png.SIGNATURE + bomb)
    refused(tmp_path / "a.png", "100000 x 100000 is more than")
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "MAX_PIXELS", 53)
        write(tmp_path / "b.tif", COLOUR16)
        refused(tmp_path / "b.tif", "9 x 6 is more than")


def test_reading_starts_no_jax(tmp_path):
    write(tmp_path / "a.png", COLOUR)
    program = "import sys; from dehaze_jax.image import read, write, to_float; read(sys.argv[1]); "
    program += "sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.png")], check=True)


def test_real_pictures(shared_data):
    """Real cameras' files, against another decoder."""
    for path in sorted((shared_data / "clear-4k").rglob("*.jpg"))[:1]:
        expected = cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(read(path).pixels.astype(int) - expected).max() <= 3
    for path in sorted((shared_data / "depth-pairs" / "depth").iterdir()):
        depth = read_depth(path)
        assert depth.shape == read_size(path)
        assert 0 <= depth.min() < depth.max() <= 1
