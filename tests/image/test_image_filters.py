import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from dehaze_jax import image as di

box_filter = jax.jit(di.box_filter, static_argnames=("radius", "axes"))
guided_filter = jax.jit(di.guided_filter, static_argnames=("radius", "epsilon"))


def box_twin(plane, radius):
    """Mean over the part of the window inside, in float64."""
    ones = np.ones_like(plane, np.float64)
    radius = min(radius, max(plane.shape))
    share = uniform_filter(ones, 2 * radius + 1, mode="constant")
    return uniform_filter(plane.astype(np.float64), 2 * radius + 1, mode="constant") / share


def guided_twin(guide, source, radius, epsilon):
    """The paper's algorithm, with `linalg.solve` at every pixel, in float64."""
    guide = guide[..., None] if guide.ndim == 2 else guide
    channels = range(guide.shape[-1])
    mean = np.stack([box_twin(guide[..., i], radius) for i in channels], -1)
    products = [
        [box_twin(guide[..., i] * guide[..., j], radius) for i in channels] for j in channels
    ]
    covariance = np.moveaxis(np.array(products), (0, 1), (-2, -1))
    covariance = covariance - mean[..., None] * mean[..., None, :] + epsilon * np.eye(len(channels))
    cross = np.stack([box_twin(guide[..., i] * source, radius) for i in channels], -1)
    cross = cross - mean * box_twin(source, radius)[..., None]
    slope = np.linalg.solve(covariance, cross[..., None])[..., 0]
    offset = box_twin(source, radius) - (slope * mean).sum(-1)
    slope = np.stack([box_twin(slope[..., i], radius) for i in channels], -1)
    return (slope * guide).sum(-1) + box_twin(offset, radius)


SHAPES = [(1, 1), (1, 9), (7, 1), (12, 17)]


@pytest.mark.parametrize("radius", [0, 1, 2, 7, 40])
@pytest.mark.parametrize("shape", SHAPES)
def test_box_filter_is_a_mean_over_what_lies_inside(shape, radius):
    plane = np.random.default_rng(radius).random(shape).astype(np.float32)
    expected = box_twin(plane, radius)
    result = box_filter(jnp.asarray(plane), radius=radius, axes=(-2, -1))
    np.testing.assert_allclose(result, expected, rtol=3e-7)
    image = jnp.stack([jnp.asarray(plane), jnp.asarray(1 - plane)], axis=-1)
    result = box_filter(image[None], radius=radius)
    np.testing.assert_allclose(result[0, ..., 0], expected, rtol=3e-7)
    np.testing.assert_allclose(result[0, ..., 1], 1 - expected, rtol=3e-6)


def test_box_filter_is_exact_far_along_a_row():
    """Where a running sum over the row has lost its last digits."""
    plane = np.random.default_rng(0).random((2, 8192)).astype(np.float32)
    result = box_filter(jnp.asarray(plane), radius=4, axes=(-2, -1))
    np.testing.assert_allclose(result, box_twin(plane, 4), rtol=4e-7)


def test_box_filter_sums_half_precision_in_float32():
    plane = jnp.ones((64, 64), jnp.bfloat16)
    result = box_filter(plane, radius=31, axes=(-2, -1))
    assert result.dtype == jnp.bfloat16
    assert (result == 1).all()


@pytest.mark.parametrize(
    ("shape", "radius"), [((1, 1), 2), ((7, 1), 30), ((12, 17), 0), ((12, 17), 3)]
)
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_guided_filter(shape, radius, channels, x64):
    rng = np.random.default_rng(1)
    guide = rng.random(shape if channels is None else (*shape, channels))
    source = rng.random(shape)
    result = guided_filter(jnp.asarray(guide), jnp.asarray(source), radius=radius, epsilon=1e-3)
    np.testing.assert_allclose(result, guided_twin(guide, source, radius, 1e-3), atol=1e-11)


@pytest.mark.parametrize("channels", [None, 3])
def test_guided_filter_in_float32(channels):
    rng = np.random.default_rng(2)
    ramp = np.linspace(0.1, 0.9, 96)[:, None] * np.ones(128)
    guide = ramp + 0.05 * rng.random((96, 128))
    guide = guide if channels is None else np.stack([guide, guide**2, 1 - guide**3], -1)
    source = (ramp > 0.5) + 0.1 * rng.random((96, 128))
    guide, source = guide.astype(np.float32), source.astype(np.float32)
    result = guided_filter(jnp.asarray(guide), jnp.asarray(source), radius=20, epsilon=1e-4)
    expected = guided_twin(guide.astype(np.float64), source.astype(np.float64), 20, 1e-4)
    np.testing.assert_allclose(result, expected, atol=2e-4)


def test_guided_filter_keeps_the_guides_edges():
    edge = jnp.where(jnp.arange(40) < 20, 0.2, 0.8)[None, :] * jnp.ones((30, 1))
    np.testing.assert_allclose(guided_filter(edge, edge, radius=5, epsilon=1e-6), edge, atol=1e-3)
    flat = jnp.full_like(edge, 0.5)
    smooth = guided_filter(flat, edge, radius=5, epsilon=1e-6)
    twice = box_filter(box_filter(edge, radius=5, axes=(-2, -1)), radius=5, axes=(-2, -1))
    np.testing.assert_allclose(smooth, twice, atol=1e-6)


def test_batch_and_float16():
    rng = np.random.default_rng(3)
    guide = jnp.asarray(rng.random((2, 9, 11, 3)), jnp.float32)
    source = jnp.asarray(rng.random((2, 9, 11)), jnp.float16)
    result = guided_filter(guide, source, radius=3, epsilon=1e-2)
    assert result.dtype == jnp.float16
    expected = guided_twin(np.float64(guide[1]), np.float64(source[1]), 3, 1e-2)
    np.testing.assert_allclose(result[1], expected, atol=1e-3)
    grey = guided_filter(guide[..., 0], source, radius=3, epsilon=1e-2)
    expected = guided_twin(np.float64(guide[1, ..., 0]), np.float64(source[1]), 3, 1e-2)
    np.testing.assert_allclose(grey[1], expected, atol=1e-3)


@jax.jit
def filtered(guide, source):
    return di.guided_filter(guide, source, radius=2, epsilon=0.05)


def test_gradients(x64):
    rng = np.random.default_rng(4)
    guide, source = jnp.asarray(rng.random((5, 6, 3))), jnp.asarray(rng.random((5, 6)))
    jax.test_util.check_grads(filtered, (guide, source), order=1, modes=["rev"])
    flat = jnp.zeros((5, 6))
    gradient = jax.grad(lambda guide: filtered(guide, source).sum())(flat)
    assert jnp.isfinite(gradient).all()


def test_refuses_what_makes_no_sense():
    plane = jnp.zeros((4, 5))
    with pytest.raises(ValueError, match="radius"):
        di.box_filter(plane, radius=-1, axes=(-2, -1))
    with pytest.raises(ValueError, match="epsilon"):
        di.guided_filter(plane, plane, radius=1, epsilon=0.0)
    with pytest.raises(ValueError, match="fit"):
        di.guided_filter(jnp.zeros((1, 4, 5, 3)), plane, radius=1, epsilon=0.1)


@pytest.mark.parametrize("channels", [1, 3])
def test_guided_models_evaluate_to_the_filter(channels):
    rng = np.random.default_rng(11)
    guide = jnp.asarray(rng.uniform(size=(2, 14, 19, channels)), jnp.float32)
    source = jnp.asarray(rng.uniform(size=(2, 14, 19)), jnp.float32)
    models = di.guided_models(guide, source, radius=3, epsilon=1e-2)
    ours = (models[..., :-1] * guide).sum(-1) + models[..., -1]
    for number in range(2):
        expected = guided_twin(np.asarray(guide[number]), np.asarray(source[number]), 3, 1e-2)
        np.testing.assert_allclose(ours[number], expected, atol=2e-6)
    # They are smooth: a mean over windows of models, none of which follows a single pixel.
    flat = di.guided_models(guide, jnp.full_like(source, 0.25), radius=3, epsilon=1e-2)
    np.testing.assert_allclose(flat[..., :-1], 0, atol=1e-5)
    np.testing.assert_allclose(flat[..., -1], 0.25, atol=1e-5)
