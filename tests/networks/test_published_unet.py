"""Initial values and size of the published U-Net; its values are compared with PyTorch's twin.

See `tests/methods/test_bilateral_released.py`.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal, stats

from dehaze_jax.networks.published_unet import PublishedUNet, TorchConv


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
def test_convolution_is_a_correlation_with_zeros_around(size, width, features, train):
    """With one to all columns computed together, where no gradient is asked for."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, width, 3)).astype(np.float32)
    kernel = rng.normal(size=(size, size, 3, features)).astype(np.float32)
    bias = rng.normal(size=features).astype(np.float32)
    given = {"params": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}}
    convolve = jax.jit(TorchConv(features, size).apply, static_argnames="train")
    ours = np.asarray(convolve(given, jnp.asarray(x), train=train))
    for image, feature in np.ndindex(2, features):
        expected = bias[feature] + sum(
            signal.correlate2d(x[image, ..., c], kernel[..., c, feature], mode="same")
            for c in range(3)
        )
        np.testing.assert_allclose(ours[image, ..., feature], expected, atol=1e-5)


def test_parameters():
    def double_conv(inputs, middle, outputs):
        kernels = 9 * (inputs * middle + middle * outputs)
        return kernels + 3 * (middle + outputs)  # a bias and two of the norm for each channel

    shapes = jax.eval_shape(
        lambda key: PublishedUNet(3).init(key, jnp.zeros((1, 16, 16, 3)), train=False),
        jax.random.key(0),
    )
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"]))
    down = [(3, 64), (64, 128), (128, 256), (256, 512), (512, 512)]
    up = [(1024, 256), (512, 128), (256, 64), (128, 64)]
    expected = sum(double_conv(inputs, outputs, outputs) for inputs, outputs in down)
    expected += sum(double_conv(inputs, inputs // 2, outputs) for inputs, outputs in up)
    assert count == expected + 9 * 64 * 3 + 3 == 17_269_059
