import zlib

import cv2
import numpy as np
import pytest

from dehaze_jax.data import encode_picture, encode_transmission, exact_bytes
from dehaze_jax.data.records import decode_depth, decode_picture, decode_transmission
from dehaze_jax.image import read


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_come_back_bit_for_bit(dtype):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, np.iinfo(dtype).max, (5, 7, 3), dtype, endpoint=True)
    decoded = decode_picture(encode_picture(pixels))
    assert decoded.dtype == dtype
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_bytes_that_are_no_picture_are_refused(data):
    with pytest.raises(ValueError, match="not a picture"):
        decode_picture(data)


def test_transmission_is_kept_to_half_a_level():
    values = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
    decoded = decode_transmission(encode_transmission(values))
    np.testing.assert_allclose(decoded[..., 0], values, atol=0.51 / 65535)


def test_transmission_that_is_no_picture_is_refused():
    grey = np.zeros((2, 2), np.uint8)
    for data in (
        b"no picture",
        b"",
        encode_picture(grey),
        encode_picture(np.uint16([[[1, 2, 3]]])),
    ):
        with pytest.raises(ValueError, match="not a picture"):
            decode_transmission(data)


def test_depth_is_read_from_the_compressed_tensor():
    depth = np.linspace(1, 900, 12).astype(np.float16).reshape(3, 4)
    stored = {"shape": np.array([3, 4], np.int32), "value": zlib.compress(depth.tobytes())}
    np.testing.assert_array_equal(decode_depth(stored), depth.astype(np.float32))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG"])
def test_plain_files_keep_their_bytes(tmp_path, picture, suffix):
    path = tmp_path / f"a{suffix}"
    picture(path)
    loaded = read(path)
    assert exact_bytes(path, loaded, loaded.pixels) == path.read_bytes()


def test_no_other_file_does(tmp_path, picture):
    from PIL import Image

    for name in ("crop.jpg", "deep.png", "turned.jpg", "not.png"):
        picture(tmp_path / name, dtype=np.uint16 if name == "deep.png" else np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), np.arange(48, dtype=np.uint8).reshape(6, 8))
    cv2.imwrite(str(tmp_path / "alpha.png"), np.full((6, 8, 4), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "scan.tif"), np.full((6, 8, 3), 90, np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(tmp_path / "crop.jpg").save(tmp_path / "turned.jpg", exif=exif, quality=95)
    (tmp_path / "scan.tif").rename(tmp_path / "not.png")
    names = ["crop.jpg", "deep.png", "turned.jpg", "not.png", "grey.png", "alpha.png"]
    for name in names:
        loaded = read(tmp_path / name)
        pixels = loaded.pixels[5:] if name == "crop.jpg" else loaded.pixels
        if name == "deep.png":
            pixels = (pixels // 257).astype(np.uint8)
        assert exact_bytes(tmp_path / name, loaded, pixels) is None
