import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import scipy.stats
import skimage.data

from dehaze_jax import haze

PHOTOGRAPH = skimage.data.astronaut()[40:141, 150:283]  # sides that are no multiples of 8


def decode(x):
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def encode(x):
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * np.abs(x) ** (1 / 2.4) - 0.055)


class TestNoise:
    @pytest.mark.parametrize(("shot", "read"), [(1e-3, 0.0), (0.0, 1e-4), (4e-3, 3e-5)])
    def test_variance_in_linear_light(self, key, shot, read):
        levels = np.asarray([0.3, 0.5, 0.8], np.float32)
        flat = jnp.broadcast_to(jnp.asarray(levels), (200, 200, 3))
        noisy = np.asarray(haze.camera_noise(key, flat, shot=shot, read=read), np.float64)
        error = (decode(noisy) - decode(levels)).reshape(-1, 3)
        count = len(error)
        expected = shot * decode(levels) + read
        # A variance of n normal numbers has a relative error of sqrt(2 / n).
        np.testing.assert_allclose(error.var(0), expected, rtol=4 * np.sqrt(2 / count))
        assert np.all(np.abs(error.mean(0)) < 4 * np.sqrt(expected / count))
        for channel in range(3):
            scaled = error[:, channel] / np.sqrt(expected[channel])
            assert scipy.stats.kstest(scaled, "norm").pvalue > 1e-3
        assert np.abs(np.corrcoef(error.T) - np.eye(3)).max() < 0.03

    def test_one_level_an_image_and_none(self, key):
        images = jnp.full((2, 30, 30, 3), 0.5)
        noisy = haze.camera_noise(
            key, images, shot=jnp.asarray([0.0, 1e-2]), read=jnp.asarray([0.0, 0.0])
        )
        np.testing.assert_allclose(noisy[0], images[0], atol=1e-6)
        assert noisy[1].std() > 0.02

    def test_clipped_to_what_a_camera_can_tell(self, key):
        ends = jnp.stack([jnp.zeros((40, 40, 3)), jnp.ones((40, 40, 3))])
        noisy = haze.camera_noise(key, ends, shot=0.01, read=0.01)
        assert noisy.min() == 0
        np.testing.assert_allclose(noisy.max(), 1, rtol=1e-6)


LUMA = [
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
]  # fmt: skip
CHROMA = np.full((8, 8), 99)
CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]


def jpeg_twin(image, quality):
    """JPEG 4:4:4 a block at a time, in float64, with SciPy's cosine transform."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    tables = [np.clip((np.array(t) * scale + 50) // 100, 1, 255) for t in (LUMA, CHROMA, CHROMA)]
    height, width, _ = image.shape
    padded = np.pad(image, ((0, -height % 8), (0, -width % 8), (0, 0)), "edge").astype(float)
    red, green, blue = np.moveaxis(padded, -1, 0)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = [y, 128 + (blue - y) / 1.772, 128 + (red - y) / 1.402]
    decoded = []
    for plane, table in zip(planes, tables, strict=True):
        plane = np.rint(plane) - 128
        for row in range(0, plane.shape[0], 8):
            for column in range(0, plane.shape[1], 8):
                block = plane[row : row + 8, column : column + 8]
                kept = np.rint(scipy.fft.dctn(block, norm="ortho") / table) * table
                block[:] = scipy.fft.idctn(kept, norm="ortho")
        decoded.append(np.clip(np.rint(plane + 128), 0, 255))
    y, cb, cr = decoded
    red, blue = y + 1.402 * (cr - 128), y + 1.772 * (cb - 128)
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    rgb = np.stack([red, green, blue], axis=-1)[:height, :width]
    return np.clip(np.rint(rgb), 0, 255)


class TestJpeg:
    @pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 95, 100])
    def test_equals_blocks_by_scipy(self, quality):
        ours = haze.compress_jpeg(jnp.asarray(PHOTOGRAPH / np.float32(255)), quality=quality)
        levels = np.asarray(ours) * 255
        np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)
        off = np.abs(levels - jpeg_twin(PHOTOGRAPH, quality))
        # Means of blocks often lie half way between two steps; rounding errors decide then.
        assert np.mean(off > 0.5) < 0.06
        assert off.mean() < 0.06

    @pytest.mark.parametrize("quality", [20, 60, 90])
    def test_close_to_a_file(self, quality):
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        _, data = cv2.imencode(".jpg", PHOTOGRAPH[..., ::-1], options)
        file = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].astype(float)
        ours = haze.compress_jpeg(jnp.asarray(PHOTOGRAPH / np.float32(255)), quality=quality)
        between = np.square(np.asarray(ours) * 255 - file).mean()
        assert between < 0.06 * np.square(file - PHOTOGRAPH).mean()

    def test_one_quality_an_image(self):
        image = jnp.asarray(PHOTOGRAPH[:24, :32] / np.float32(255))
        pair = jnp.stack([image, image])
        both = jax.jit(haze.compress_jpeg)(pair, quality=jnp.asarray([15.0, 80.0]))
        for ours, quality in zip(both, (15, 80), strict=True):
            alone = haze.compress_jpeg(image, quality=quality)
            assert jnp.mean(jnp.abs(ours - alone) > 1e-3) < 0.01

    @pytest.mark.parametrize("shape", [(1, 1, 3), (3, 9, 3), (8, 8, 3)])
    def test_flat_colour_stays_at_any_size(self, shape):
        flat = jnp.full(shape, 100 / 255)
        np.testing.assert_allclose(haze.compress_jpeg(flat, quality=100), flat, atol=1e-6)
