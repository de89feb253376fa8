import colour
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color
from jax.test_util import check_grads

from dehaze_jax import metrics

# Sharma, Wu, Dalal 2005, table 1: L1 a1 b1, L2 a2 b2, difference.
SHARMA = np.array(
    [
        [50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425],
        [50, 3.1571, -77.2803, 50, 0, -82.7485, 2.8615],
        [50, 2.8361, -74.0200, 50, 0, -82.7485, 3.4412],
        [50, -1.3802, -84.2814, 50, 0, -82.7485, 1.0],
        [50, -1.1848, -84.8006, 50, 0, -82.7485, 1.0],
        [50, -0.9009, -85.5211, 50, 0, -82.7485, 1.0],
        [50, 0, 0, 50, -1, 2, 2.3669],
        [50, -1, 2, 50, 0, 0, 2.3669],
        [50, 2.49, -0.001, 50, -2.49, 0.0009, 7.1792],
        [50, 2.49, -0.001, 50, -2.49, 0.0010, 7.1792],
        [50, 2.49, -0.001, 50, -2.49, 0.0011, 7.2195],
        [50, 2.49, -0.001, 50, -2.49, 0.0012, 7.2195],
        [50, -0.001, 2.49, 50, 0.0009, -2.49, 4.8045],
        [50, -0.001, 2.49, 50, 0.0010, -2.49, 4.8045],
        [50, -0.001, 2.49, 50, 0.0011, -2.49, 4.7461],
        [50, 2.5, 0, 50, 0, -2.5, 4.3065],
        [50, 2.5, 0, 73, 25, -18, 27.1492],
        [50, 2.5, 0, 61, -5, 29, 22.8977],
        [50, 2.5, 0, 56, -27, -3, 31.9030],
        [50, 2.5, 0, 58, 24, 15, 19.4535],
        [50, 2.5, 0, 50, 3.1736, 0.5854, 1.0],
        [50, 2.5, 0, 50, 3.2972, 0, 1.0],
        [50, 2.5, 0, 50, 1.8634, 0.5757, 1.0],
        [50, 2.5, 0, 50, 3.2592, 0.3350, 1.0],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)


@pytest.mark.parametrize("swapped", [False, True])
def test_sharma_data_set(x64, swapped):
    lab1, lab2, expected = jnp.asarray(SHARMA[:, :3]), jnp.asarray(SHARMA[:, 3:6]), SHARMA[:, 6]
    ours = metrics.lab_difference(*((lab2, lab1) if swapped else (lab1, lab2)))
    np.testing.assert_allclose(ours, expected, atol=5.1e-5)


def test_sharma_data_set_in_single_precision():
    lab1, lab2 = (jnp.asarray(x, jnp.float32) for x in (SHARMA[:, :3], SHARMA[:, 3:6]))
    np.testing.assert_allclose(metrics.lab_difference(lab1, lab2), SHARMA[:, 6], atol=2e-4)


def test_random_colours_equal_colour_science(x64):
    rng = np.random.default_rng(0)
    lab1, lab2 = rng.uniform([0, -100, -100], [100, 100, 100], (2, 500, 3))
    ours = metrics.lab_difference(jnp.asarray(lab1), jnp.asarray(lab2))
    np.testing.assert_allclose(ours, colour.delta_E(lab1, lab2, method="CIE 2000"), rtol=1e-6)


@pytest.mark.parametrize("batch", [(), (2,)])
def test_images_equal_scikit_image(batch):
    rng = np.random.default_rng(1)
    restored, clear = rng.random((2, *batch, 8, 5, 3)).astype(np.float32)
    ours = jax.jit(metrics.ciede2000)(jnp.asarray(restored), jnp.asarray(clear))
    lab = [skimage.color.rgb2lab(x.astype(float)) for x in (restored, clear)]
    twin = skimage.color.deltaE_ciede2000(*lab).mean(axis=(-2, -1))
    assert ours.dtype == jnp.float32
    np.testing.assert_allclose(ours, twin, rtol=1e-4)


def test_equal_images_and_gradients(x64):
    grey = jnp.full((2, 2, 3), 0.5)
    assert metrics.ciede2000(grey, grey) == 0
    gradient = jax.jit(jax.grad(metrics.ciede2000))
    for restored, clear in [(grey, grey), (grey * 0, grey * 0), (grey, grey + 0.1)]:
        assert jnp.isfinite(gradient(restored, clear)).all()
    rng = np.random.default_rng(2)
    restored, clear = jnp.asarray(rng.uniform(0.1, 0.9, (2, 3, 3, 3)))
    check_grads(
        jax.jit(lambda x: metrics.ciede2000(x, clear)),
        (restored,),
        order=1,
        modes=["rev"],
        atol=1e-4,
    )
