import zlib

import cv2
import numpy as np
import pytest

from dehaze_jax.data import encode_picture, encode_transmission, stored_bytes
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
    with pytest.raises(ValueError, match="not a picture"):
        decode_transmission(b"no picture")


def test_depth_is_read_from_the_compressed_tensor():
    depth = np.linspace(1, 900, 12).astype(np.float16).reshape(3, 4)
    stored = {"shape": np.array([3, 4], np.int32), "value": zlib.compress(depth.tobytes())}
    np.testing.assert_array_equal(decode_depth(stored), depth.astype(np.float32))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG"])
def test_plain_files_keep_their_bytes(tmp_path, picture, suffix):
    path = tmp_path / f"a{suffix}"
    picture(path)
    loaded = read(path)
    assert stored_bytes(path, loaded, loaded.pixels) == path.read_bytes()


def test_all_else_becomes_a_png_of_the_right_pixels(tmp_path, picture):
    picture(tmp_path / "crop.jpg")
    cv2.imwrite(str(tmp_path / "grey.png"), np.arange(48, dtype=np.uint8).reshape(6, 8))
    cv2.imwrite(str(tmp_path / "alpha.png"), np.full((6, 8, 4), 90, np.uint8))
    picture(tmp_path / "deep.png", dtype=np.uint16)
    for name, part in [("crop.jpg", 5), ("grey.png", 0), ("alpha.png", 0)]:
        loaded = read(tmp_path / name)
        pixels = loaded.pixels[part:]
        data = stored_bytes(tmp_path / name, loaded, pixels)
        assert data[:4] == b"\x89PNG"
        assert data != (tmp_path / name).read_bytes()
        np.testing.assert_array_equal(decode_picture(data), pixels)
    loaded = read(tmp_path / "deep.png")
    shallow = decode_picture(stored_bytes(tmp_path / "deep.png", loaded, loaded.pixels))
    np.testing.assert_array_equal(shallow, np.round(loaded.pixels / 257).astype(np.uint8))


def test_orientation_is_applied_before_storing(tmp_path, picture):
    from PIL import Image

    picture(tmp_path / "plain.jpg", height=8, width=16)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(tmp_path / "plain.jpg").save(tmp_path / "turned.jpg", exif=exif, quality=95)
    loaded = read(tmp_path / "turned.jpg")
    stored = decode_picture(stored_bytes(tmp_path / "turned.jpg", loaded, loaded.pixels))
    assert stored.shape == (16, 8, 3)
    np.testing.assert_array_equal(stored, loaded.pixels)
