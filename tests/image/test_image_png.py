import io

import cv2
import numpy as np
import pytest
from PIL import Image

from dehaze_jax.image import png


def encoded(samples, icc=None):
    stream = io.BytesIO()
    png.encode(stream, samples, icc)
    return stream.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 5), (13, 17)])
def test_opencv_reads_what_is_written(dtype, channels, size):
    rng = np.random.default_rng(0)
    samples = rng.integers(0, np.iinfo(dtype).max + 1, (*size, channels)).astype(dtype)
    decoded = cv2.imdecode(np.frombuffer(encoded(samples), np.uint8), cv2.IMREAD_UNCHANGED)
    order = [0] if channels == 1 else [2, 1, 0, 3][:channels]
    decoded = decoded.reshape(*size, channels)[..., order]
    assert decoded.dtype == dtype
    np.testing.assert_array_equal(decoded, samples)


def test_pillow_finds_the_profile_and_grey_with_alpha():
    samples = np.random.default_rng(1).integers(0, 256, (6, 5, 2)).astype(np.uint8)
    with Image.open(io.BytesIO(encoded(samples, b"a profile" * 100))) as image:
        assert image.mode == "LA"
        assert image.info["icc_profile"] == b"a profile" * 100
        np.testing.assert_array_equal(np.asarray(image), samples)


def test_large_pictures_are_several_chunks():
    noise = np.random.default_rng(2).integers(0, 256, (2100, 2700, 3)).astype(np.uint8)
    data = encoded(noise)
    assert [kind for kind, _ in png.chunks(data)].count(b"IDAT") > 1
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), noise)


def test_damage_is_found():
    data = encoded(np.zeros((4, 4, 3), np.uint16))
    png.verify(data)
    png.verify(data + b"what follows the end does not count")
    for length in range(8, len(data)):
        with pytest.raises(ValueError, match="cut off"):
            png.verify(data[:length])
    for position in (18, len(data) - 20):
        damaged = bytearray(data)
        damaged[position] ^= 1
        with pytest.raises(ValueError, match="checksum"):
            png.verify(bytes(damaged))


def test_depth_and_grey():
    assert png.depth_and_grey(encoded(np.zeros((1, 1, 2), np.uint16))) == (16, True)
    assert png.depth_and_grey(encoded(np.zeros((1, 1, 3), np.uint8))) == (8, False)
    with pytest.raises(ValueError, match="cut off"):
        png.depth_and_grey(png.SIGNATURE)
