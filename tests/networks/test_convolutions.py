"""PyTorch's convolutions against SciPy's correlation, both ways to compute them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal, stats

from dehaze_jax.networks.convolutions import TorchConv, reflect

RNG = np.random.default_rng(0)
NUMPY = {"zeros": "constant", "reflect": "reflect"}


@functools.partial(jax.jit, static_argnames=("module", "train"))
def convolve(module, given, x, train):
    return module.apply({"params": given}, x, train=train)


def expected(x, kernel, bias, *, stride=1, padding="zeros", margin=None):
    """Every sum of the padded image, of which only those at the strides are kept."""
    size = kernel.shape[0]
    margin = size // 2 if margin is None else margin
    if padding != "none":
        around = [(0, 0), (margin, margin), (margin, margin), (0, 0)]
        x = np.pad(x, around, mode=NUMPY[padding])
    sums = [
        [
            sum(
                signal.correlate2d(image[..., c], kernel[..., c, k], mode="valid")
                for c in range(x.shape[-1])
            )
            for k in range(kernel.shape[-1])
        ]
        for image in x
    ]
    return np.moveaxis(sums, 1, -1)[:, ::stride, ::stride] + bias


def weights(size, inputs, features):
    kernel = RNG.normal(size=(size, size, inputs, features)).astype(np.float32)
    return {"kernel": kernel, "bias": RNG.normal(size=features).astype(np.float32)}


@pytest.mark.parametrize(("size", "inputs"), [(1, 16), (3, 8)])
def test_initial_values_are_uniform_within_the_bounds_of_torch(size, inputs, key):
    """Kernel and bias alike: one over the root of the number of inputs of one output."""
    bound = 1 / np.sqrt(size * size * inputs)
    params = TorchConv(256, size).init(key, jnp.zeros((1, 4, 4, inputs)), train=True)["params"]
    assert params["kernel"].shape == (size, size, inputs, 256)
    assert params["bias"].shape == (256,)
    for values in map(np.ravel, jax.tree.leaves(params)):
        assert 0.95 * bound < np.abs(values).max() <= bound
        assert stats.kstest(values, stats.uniform(-bound, 2 * bound).cdf).pvalue > 0.01


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(
    ("size", "width", "features"),
    [(1, 7, 4), (3, 7, 4), (3, 1, 2), (3, 12, 3), (3, 32, 1), (1, 32, 1), (3, 8, 16), (3, 4, 32)],
)
def test_is_a_correlation_with_zeros_around(size, width, features, train):
    """With one to all columns computed together, where no gradient is asked for."""
    x, given = RNG.normal(size=(2, 5, width, 3)).astype(np.float32), weights(size, 3, features)
    ours = convolve(TorchConv(features, size), given, x, train)
    np.testing.assert_allclose(ours, expected(x, **given), atol=1e-5)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "reflect", "none"])
@pytest.mark.parametrize(
    ("size", "stride", "margin"),
    [(3, 1, None), (5, 1, None), (4, 1, 1), (3, 1, 2), (3, 2, None), (4, 2, 1), (1, 2, None)],
)
def test_strides_and_what_is_around(size, stride, margin, padding, train):
    """Of an even and an odd side; the margin is half the kernel unless another is given."""
    x, given = RNG.normal(size=(1, 8, 11, 2)).astype(np.float32), weights(size, 2, 3)
    module = TorchConv(3, size, stride, padding, margin)
    theirs = expected(x, **given, stride=stride, padding=padding, margin=margin)
    np.testing.assert_allclose(convolve(module, given, x, train), theirs, atol=1e-5)


@pytest.mark.parametrize("train", [False, True])
def test_without_bias(train, key):
    """There is no such parameter."""
    x, given = RNG.normal(size=(1, 4, 6, 2)).astype(np.float32), weights(3, 2, 3)
    module = TorchConv(3, bias=False)
    initial = jax.eval_shape(lambda: module.init(key, jnp.asarray(x), train=train))
    assert set(initial["params"]) == {"kernel"}
    ours = convolve(module, {"kernel": given["kernel"]}, x, train)
    np.testing.assert_allclose(ours, expected(x, given["kernel"], 0), atol=1e-5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "reflect", "none"])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients(stride, padding, train):
    """The sums are linear: along any direction a gradient has what that direction convolves to."""
    module = TorchConv(2, 3, stride, padding)
    theirs = functools.partial(expected, stride=stride, padding=padding)
    x, given = RNG.normal(size=(1, 6, 7, 2)), weights(3, 2, 2)
    kernel = given["kernel"]
    cotangents = RNG.normal(size=theirs(x, kernel, 0).shape)

    @jax.jit
    def differentiate(given, x):
        def total(given, x):
            return jnp.sum(cotangents * module.apply({"params": given}, x, train=train))

        return jax.grad(total, argnums=(0, 1))(given, x)

    as_double = jax.tree.map(lambda array: jnp.asarray(array, float), (given, x))
    d_given, d_x = differentiate(*as_double)
    for channel, row in np.ndindex(2, 6):
        line = np.zeros(x.shape)
        line[0, row, :, channel] = RNG.normal(size=7)
        slope = np.sum(cotangents * theirs(line, kernel, 0))
        np.testing.assert_allclose(np.sum(d_x * line), slope, rtol=1e-9, atol=1e-12)
    for place in np.ndindex(*kernel.shape):
        one = np.zeros(kernel.shape)
        one[place] = 1
        slope = np.sum(cotangents * theirs(x, one, 0))
        np.testing.assert_allclose(d_given["kernel"][place], slope, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(d_given["bias"], cotangents.sum((0, 1, 2)), rtol=1e-10)


def test_reflect_mirrors_at_the_centres_of_the_outermost_pixels():
    x = jnp.arange(12.0).reshape(1, 3, 4, 1)
    mirrored = np.asarray(reflect(x, 2))[0, ..., 0]
    np.testing.assert_array_equal(mirrored[2], [2, 1, 0, 1, 2, 3, 2, 1])
    np.testing.assert_array_equal(mirrored[:, 2], [8, 4, 0, 4, 8, 4, 0])
