import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dehaze_jax import haze


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 40, 3), (2, 20, 31, 3)])
@pytest.mark.parametrize("patch", [1, 5, 15])
def test_dark_channel_equals_scipy(shape, patch):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    size = (1,) * (len(shape) - 3) + (patch, patch)
    twin = scipy.ndimage.minimum_filter(image.min(axis=-1), size=size, mode="nearest")
    np.testing.assert_array_equal(haze.dark_channel(jnp.asarray(image), patch=patch), twin)


def _numpy_restore(hazy, patch, omega, radius, epsilon, floor):
    def dark(x):
        return scipy.ndimage.minimum_filter(x.min(axis=-1), size=patch, mode="nearest")

    def box(x):
        size = 2 * radius + 1
        total = scipy.ndimage.uniform_filter(x, size, mode="constant")
        return total / scipy.ndimage.uniform_filter(np.ones_like(x), size, mode="constant")

    channel = dark(hazy).ravel()
    count = max(1, int(0.001 * channel.size))
    candidates = hazy.reshape(-1, 3)[np.argsort(-channel, kind="stable")[:count]]
    airlight = candidates[candidates.sum(axis=1).argmax()]
    t = 1 - omega * dark(hazy / airlight)
    guide = hazy @ np.array([0.299, 0.587, 0.114])
    a = (box(guide * t) - box(guide) * box(t)) / (box(guide**2) - box(guide) ** 2 + epsilon)
    b = box(t) - a * box(guide)
    t = box(a) * guide + box(b)
    return np.clip((hazy - airlight) / np.maximum(t, floor)[..., None] + airlight, 0, 1)


def test_restore_equals_numpy(x64):
    rng = np.random.default_rng(3)
    clear = scipy.ndimage.gaussian_filter(rng.random((48, 56, 3)), (2, 2, 0)) * 3 - 1
    depth = np.linspace(2, 0.2, 48)[:, None] + np.zeros((48, 56))
    t = np.exp(-depth)[..., None]
    hazy = np.clip(clear, 0, 1) * t + np.array([0.8, 0.85, 0.9]) * (1 - t)
    options = {"patch": 5, "omega": 0.9, "radius": 8, "epsilon": 1e-2, "min_transmission": 0.2}
    ours = haze.dark_channel_restore(jnp.asarray(hazy), **options)
    np.testing.assert_allclose(ours, _numpy_restore(hazy, *options.values()), atol=1e-6)
    batch = haze.dark_channel_restore(jnp.asarray(hazy[None, None]), **options)
    np.testing.assert_allclose(batch[0, 0], ours, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 3), (3, 2, 3)])
@pytest.mark.parametrize("value", [0.0, 0.6, 1.0])
def test_tiny_and_flat_images(shape, value):
    flat = jnp.full(shape, value)
    np.testing.assert_allclose(haze.estimate_airlight(flat), value)
    np.testing.assert_allclose(haze.dark_channel_restore(flat), value, atol=1e-5)


@pytest.mark.parametrize("pick", ["mean", "brightest", "largest"])
def test_airlight_of_rendered_haze(pick):
    clear, depth = haze.landscape(0, 120, 160)
    airlight = jnp.asarray([0.82, 0.85, 0.9])
    hazy = haze.render(jnp.asarray(clear), jnp.asarray(depth), beta=2.5, airlight=airlight)
    batch = jnp.stack([hazy, hazy[:, ::-1]])
    estimate = jax.jit(functools.partial(haze.estimate_airlight, pick=pick))
    np.testing.assert_allclose(estimate(batch), np.stack([airlight, airlight]), atol=0.06)


def test_airlight_is_made_of_the_pixels_brightest_in_the_dark_channel():
    hazy = jnp.asarray(np.random.default_rng(0).uniform(0.1, 0.3, (20, 50, 3)), jnp.float32)
    hazy = hazy.at[3, 4].set(jnp.asarray([0.6, 0.7, 0.8]))
    hazy = hazy.at[9, 9].set(jnp.asarray([0.7, 0.7, 0.6]))
    hazy = hazy.at[15, 40].set(jnp.asarray([1.0, 1.0, 0.2]))  # bright, but not in its dark channel
    options = {"patch": 1, "share": 0.002}
    mean = haze.estimate_airlight(hazy, **options, pick="mean")
    np.testing.assert_allclose(mean, [0.65, 0.7, 0.7], rtol=1e-6)
    brightest = haze.estimate_airlight(hazy, **options, pick="brightest")
    np.testing.assert_allclose(brightest, [0.6, 0.7, 0.8], rtol=1e-6)
    largest = haze.estimate_airlight(hazy, **options, pick="largest")
    np.testing.assert_allclose(largest, [0.7, 0.7, 0.8], rtol=1e-6)


def test_transmission_of_known_haze():
    # A black scene: its dark channel is the haze alone, so omega (1 - t) is recovered.
    t = jnp.linspace(0.2, 0.9, 30)[:, None] * jnp.ones((1, 40))
    airlight = jnp.asarray([0.7, 0.8, 0.9])
    hazy = haze.compose(jnp.zeros((30, 40, 3)), t, airlight)
    ours = haze.estimate_transmission(hazy, airlight, patch=1, omega=0.8)
    np.testing.assert_allclose(ours, 1 - 0.8 * (1 - t), atol=1e-6)


def test_restored_photographs_score_like_the_public_table(shared_data):
    root = shared_data / "o-haze_800" / "eval"
    scores = []
    for path in sorted((root / "clear").iterdir()):
        hazy, clear = (np.asarray(Image.open(root / s / path.name)) for s in ("hazy", "clear"))
        restored = haze.dark_channel_restore(jnp.asarray(hazy / np.float32(255)))
        restored = np.rint(np.asarray(restored) * 255).astype(np.uint8)
        scores.append(
            (
                peak_signal_noise_ratio(clear, restored),
                structural_similarity(
                    clear,
                    restored,
                    channel_axis=-1,
                    gaussian_weights=True,
                    use_sample_covariance=False,
                ),
                deltaE_ciede2000(rgb2lab(clear), rgb2lab(restored)).mean(),
            )
        )
    psnr, ssim, ciede2000 = np.mean(scores, axis=0)
    assert psnr == pytest.approx(15.79, abs=0.1)
    assert ssim == pytest.approx(0.640, abs=0.01)
    assert ciede2000 == pytest.approx(17.3, abs=0.3)
