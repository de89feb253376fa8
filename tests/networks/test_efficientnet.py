"""EfficientNet-lite3: sizes, zeros around, and initial values.

Its values are compared with PyTorch's twin in `tests/methods/test_nedr_efficientnet_names.py`.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax.networks import EfficientNetLite3
from dehaze_jax.networks.efficientnet import STAGES, InvertedResidual, Pointwise

CHANNELS = (32, 48, 136, 384)


NETWORK = EfficientNetLite3()


@functools.cache
def variables_of_network():
    init = functools.partial(NETWORK.init, train=False)
    return jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


def test_parameters():
    """The sum over stages of kernels and two numbers a channel of each normalisation."""
    count, features = 3 * 3 * 3 * 32 + 2 * 32, 32
    for out, blocks, size, _, expansion, _ in STAGES:
        for _ in range(blocks):
            middle = expansion * features
            if expansion > 1:
                count += features * middle + 2 * middle
            count += size**2 * middle + 2 * middle + middle * out + 2 * out
            features = out
    variables = variables_of_network()
    params = jax.tree.leaves(variables["params"])
    assert sum(math.prod(leaf.shape) for leaf in params) == count == 6_422_016
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize(
    ("rows", "columns", "train"), [(64, 96, True), (33, 31, False), (1, 5, False)]
)
def test_four_scales_rounded_up(rows, columns, train):
    apply = functools.partial(NETWORK.apply, train=train, mutable=["batch_stats"])
    taps, _ = jax.eval_shape(apply, variables_of_network(), jnp.zeros((2, rows, columns, 3)))
    for tap, channels, factor in zip(taps, CHANNELS, (4, 8, 16, 32), strict=True):
        assert tap.shape == (2, -(-rows // factor), -(-columns // factor), channels)


def test_initial_values(key):
    """Normal; the variance is two over the number of outputs that an input has a part in."""
    block = InvertedResidual(64, size=5)
    x = jnp.zeros((1, 2, 2, 64))
    init = jax.jit(functools.partial(block.init, train=False))
    variables = init(key, x)
    params = variables["params"]
    outputs = {"expand": 6 * 64, "depthwise": 25, "project": 64}
    for name, count in outputs.items():
        kernel = np.asarray(params[name]["kernel"])
        np.testing.assert_allclose(kernel.std(), np.sqrt(2 / count), rtol=0.03)
        assert abs(kernel.mean()) < 0.1 * kernel.std()
        np.testing.assert_array_equal(params[f"{name}_norm"]["scale"], 1)
        np.testing.assert_array_equal(params[f"{name}_norm"]["bias"], 0)


@pytest.mark.parametrize(("features", "stride"), [(8, 1), (8, 2), (12, 1)])
def test_residual_where_the_shape_stays(features, stride, key):
    """With the last normalisation at zero, the block is the identity or nothing."""
    block = InvertedResidual(features, stride=stride, expansion=2)
    x = jax.random.normal(key, (1, 4, 6, 8))
    variables = jax.jit(functools.partial(block.init, train=False))(key, x)
    norm = {"scale": jnp.zeros(features), "bias": jnp.zeros(features)}
    params = {**variables["params"], "project_norm": norm}
    y = jax.jit(functools.partial(block.apply, train=False))({**variables, "params": params}, x)
    expected = (
        x if (features, stride) == (8, 1) else np.zeros((1, 4 // stride, 6 // stride, features))
    )
    np.testing.assert_array_equal(y, expected)


def test_only_training_changes_statistics(key):
    block = InvertedResidual(4, expansion=2)
    x = jax.random.normal(key, (2, 4, 4, 4))
    variables = jax.jit(functools.partial(block.init, train=False))(key, x)
    for train in (False, True):
        apply = functools.partial(block.apply, train=train, mutable=["batch_stats"])
        _, changed = jax.jit(apply)(variables, x)
        pairs = zip(
            jax.tree.leaves(changed["batch_stats"]),
            jax.tree.leaves(variables["batch_stats"]),
            strict=True,
        )
        assert all(np.array_equal(a, b) != train for a, b in pairs)


def test_gradient_of_a_block(key):
    """Against differences, in the direction of the gradient itself."""
    block = InvertedResidual(6, size=5, stride=2, expansion=2)
    x = jax.random.normal(key, (2, 7, 6, 4))
    variables = jax.jit(functools.partial(block.init, train=False))(key, x)

    def total(params, x):
        given = {**variables, "params": params}
        y, _ = block.apply(given, x, train=True, mutable=["batch_stats"])
        return jnp.sum(jnp.sin(y))

    at = (variables["params"], x)
    measure = jax.jit(jax.value_and_grad(total, argnums=(0, 1)))
    _, gradient = measure(*at)
    norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)))
    step = 1e-3
    ahead, behind = (
        measure(*jax.tree.map(lambda v, g, sign=sign: v + sign * step / norm * g, at, gradient))[0]
        for sign in (1, -1)
    )
    np.testing.assert_allclose((ahead - behind) / (2 * step), norm, rtol=2e-3)


def test_pointwise_mixes_the_channels_of_each_pixel(key):
    x = jax.random.normal(key, (2, 3, 4, 5))
    kernel = jax.random.normal(key, (1, 1, 5, 7))
    y = Pointwise(7).apply({"params": {"kernel": kernel}}, x)
    np.testing.assert_allclose(y, np.einsum("bhwc,ck->bhwk", x, kernel[0, 0]), atol=1e-5)
