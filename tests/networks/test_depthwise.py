"""Depthwise convolution: values, its own gradient, and initial values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from scipy import ndimage, signal, stats

from dehaze_jax.networks.depthwise import DepthwiseConv, _grouped, _shifted

# Rows, columns, side of the kernel and stride: of every remainder that zeros around depend on.
SHAPES = [(7, 6, 3, 1), (8, 9, 3, 2), (7, 8, 5, 2), (10, 9, 5, 3), (4, 5, 5, 1), (9, 8, 7, 1)]


def given(rows, columns, size, channels=3):
    rng = np.random.default_rng(rows * columns)
    x = rng.normal(size=(2, rows, columns, channels)).astype(np.float32)
    kernel = rng.normal(size=(size, size, 1, channels)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(kernel)


def expected(padded, kernel, stride):
    """Each channel by SciPy, from an image with its border."""
    out = [
        [
            signal.correlate2d(padded[b, ..., c], kernel[..., 0, c], mode="valid")
            for c in range(padded.shape[-1])
        ]
        for b in range(padded.shape[0])
    ]
    return np.moveaxis(np.asarray(out), 1, -1)[:, ::stride, ::stride]


@pytest.mark.parametrize(("rows", "columns", "size", "stride"), SHAPES)
def test_same_is_tensorflows(rows, columns, size, stride):
    """The output has ceil(size / stride) pixels, and the odd zero is at the end."""
    x, kernel = given(rows, columns, size)
    around = []
    for length in (rows, columns):
        outputs = int(np.ceil(length / stride))
        total = max((outputs - 1) * stride + size - length, 0)
        around.append((total // 2, total - total // 2))
    padded = np.pad(x, [(0, 0), *around, (0, 0)])
    module = DepthwiseConv(size, stride, bias=False)
    ours = jax.jit(module.apply)({"params": {"kernel": kernel}}, x)
    assert ours.shape == (2, -(-rows // stride), -(-columns // stride), 3)
    np.testing.assert_allclose(ours, expected(padded, kernel, stride), atol=1e-5)


@pytest.mark.parametrize(("rows", "columns", "size", "stride"), SHAPES)
def test_reflected(rows, columns, size, stride):
    x, kernel = given(rows, columns, size)
    bias = np.asarray([-1, 0, 2], np.float32)
    margin = size // 2
    padded = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)], mode="reflect")
    module = DepthwiseConv(size, stride, padding="reflect")
    ours = jax.jit(module.apply)({"params": {"kernel": kernel, "bias": jnp.asarray(bias)}}, x)
    np.testing.assert_allclose(np.asarray(ours) - bias, expected(padded, kernel, stride), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 2, 2, 4), (1, 1, 5, 2), (2, 1, 1, 2)])
def test_small_images_are_mirrored_again_and_again(shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    kernel = rng.normal(size=(7, 7, 1, shape[-1])).astype(np.float32)
    module = DepthwiseConv(7, padding="reflect", bias=False)
    ours = module.apply({"params": {"kernel": jnp.asarray(kernel)}}, jnp.asarray(x))
    for image, channel in np.ndindex(shape[0], shape[-1]):
        theirs = ndimage.correlate(x[image, ..., channel], kernel[..., 0, channel], mode="mirror")
        np.testing.assert_allclose(ours[image, ..., channel], theirs, atol=2e-5)


@pytest.mark.parametrize(("rows", "columns", "size", "stride"), SHAPES)
def test_written_out_gradient_is_that_of_a_grouped_convolution(rows, columns, size, stride):
    """Whatever rows and columns the last place of the kernel leaves over."""
    x, kernel = given(rows + size, columns + size, size)

    def pull(convolve):
        def run(x, kernel):
            y, back = jax.vjp(lambda x, kernel: convolve(x, kernel, stride), x, kernel)
            return y, back(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

        return jax.jit(run)(x, kernel)

    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, atol=2e-5),
        pull(_shifted),
        pull(_grouped),
    )


@pytest.mark.usefixtures("x64")
def test_second_derivatives():
    """The written-out gradient has a gradient, as penalties of gradients need."""
    x, kernel = (array.astype(jnp.float64) for array in given(5, 6, 3, channels=2))

    def penalty(convolve):
        def run(x, kernel):
            def total(x):
                return jnp.sum(jnp.sin(convolve(x, kernel, 2)))

            return jnp.sum(jax.grad(total)(x) ** 2)

        return jax.jit(jax.grad(run, argnums=(0, 1)))(x, kernel)

    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9),
        penalty(_shifted),
        penalty(_grouped),
    )


@pytest.mark.parametrize("size", [3, 7])
def test_initial_values_are_uniform_within_the_bounds_of_torch(size, key):
    params = DepthwiseConv(size).init(key, jnp.zeros((1, 2, 2, 512)))["params"]
    assert params["kernel"].shape == (size, size, 1, 512)
    assert params["bias"].shape == (512,)
    for values in map(np.ravel, jax.tree.leaves(params)):
        assert 0.95 / size < np.abs(values).max() <= 1 / size
        assert stats.kstest(values, stats.uniform(-1 / size, 2 / size).cdf).pvalue > 0.01


def test_other_initial_values(key):
    module = DepthwiseConv(3, bias=False, kernel_init=jax.nn.initializers.constant(0.5))
    params = module.init(key, jnp.zeros((1, 2, 2, 4)))["params"]
    assert list(params) == ["kernel"]
    np.testing.assert_array_equal(params["kernel"], np.full((3, 3, 1, 4), 0.5))


def test_channels_do_not_mix():
    x, kernel = given(6, 6, 3)
    apply = jax.jit(DepthwiseConv(3, bias=False).apply)
    whole = apply({"params": {"kernel": kernel}}, x)
    changed = apply({"params": {"kernel": kernel}}, x.at[..., 1].add(1))
    same = [np.array_equal(whole[..., channel], changed[..., channel]) for channel in range(3)]
    assert same == [True, False, True]


@pytest.mark.devices
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(4, 1), (2, 2)], ids=["data", "data and space"])
def test_over_devices_as_on_one(shape, stride):
    mesh = Mesh(np.array(jax.devices()[:4]).reshape(shape), ("data", "space"))
    rng = np.random.default_rng(0)
    kernel = jnp.asarray(rng.normal(size=(5, 5, 1, 3)), jnp.float32)
    x, weights = (
        jnp.asarray(rng.normal(size=(4, size, size, 3)), jnp.float32) for size in (8, 8 // stride)
    )

    @jax.jit
    def pull(x, kernel, weights):
        def convolve(x, kernel):
            return DepthwiseConv(5, stride, bias=False).apply({"params": {"kernel": kernel}}, x)

        out, back = jax.vjp(convolve, x, kernel)
        return out, back(weights)

    sharding = NamedSharding(mesh, P("data", "space"))
    over = pull(jax.device_put(x, sharding), kernel, jax.device_put(weights, sharding))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), over, pull(x, kernel, weights)
    )
