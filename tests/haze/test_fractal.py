import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.interpolate

from dehaze_jax.haze.fractal import _spline
from dehaze_jax.haze.fractal import fractal_noise as interpreted

fractal_noise = jax.jit(interpreted, static_argnums=(1, 2), static_argnames="scale")


@pytest.mark.parametrize("shape", [(1, 7), (31, 18), (24, 40)])
def test_mean_and_variance(key, shape):
    noise = fractal_noise(key, *shape, scale=0.5)
    np.testing.assert_allclose(noise.mean(), 0, atol=1e-5)
    np.testing.assert_allclose(noise.var(), 1, rtol=1e-4)


def test_one_pixel_has_no_noise(key):
    assert fractal_noise(key, 1, 1, scale=0.5) == 0


def test_octaves_of_half_the_amplitude(key):
    """Each octave as SciPy's splines have it, before the sum is brought to unit variance."""
    height, width, scale = 20, 30, 0.4
    total = np.zeros((height, width))
    for octave, octave_key in enumerate(jax.random.split(key, 4)):
        cells = 2**octave / scale
        knots = int(cells) + 4
        lattice = np.asarray(jax.random.normal(octave_key, (knots, knots)), np.float64)
        spline = scipy.interpolate.NdBSpline(
            (np.arange(-2, knots + 2),) * 2, lattice, 3, extrapolate=False
        )
        rows, columns = (1 + (np.arange(n) + 0.5) * cells / width for n in (height, width))
        total += 0.5**octave * spline(np.stack(np.meshgrid(rows, columns, indexing="ij"), -1))
    ours = fractal_noise(key, height, width, scale=scale)
    np.testing.assert_allclose(ours, (total - total.mean()) / total.std(), atol=1e-4)


def test_spline_equals_scipy(x64):
    knots = np.random.default_rng(0).random(9)
    ours = _spline(20, 0.25, 9) @ jnp.asarray(knots)
    twin = scipy.interpolate.BSpline(np.arange(-2, 11), knots, 3)
    np.testing.assert_allclose(ours, twin(1 + (np.arange(20) + 0.5) * 0.25), rtol=1e-6)
