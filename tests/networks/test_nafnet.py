"""NAFNet: its block against NumPy, its parameters, and where it starts."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage

from dehaze_jax import networks

EMBEDDING = 6


def dense(inputs, outputs):
    return inputs * outputs + outputs


def block(width):
    """Two norms with their modulation, four dense layers, attention, depthwise, two weights."""
    modulated = 2 * (2 * width + dense(EMBEDDING, 2 * width))
    layers = 2 * dense(width, 2 * width) + 2 * dense(width, width) + dense(width, width)
    return modulated + layers + 2 * width * 10 + 2 * width


def test_parameters():
    module = networks.NAFNet(features=5, width=4, levels=2, middle=1)
    example = jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, EMBEDDING))
    shapes = jax.eval_shape(module.init, jax.random.key(0), *example)
    down = 9 * 3 * 4 + 4 + block(4) + dense(16, 8) + block(8)
    up = dense(8, 4) + block(4) + 9 * 4 * 5 + 5
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes)) == down + up


def norm(x, p):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-6) * p["scale"] + p["bias"]


def linear(x, p):
    return x @ p["kernel"] + p["bias"]


def modulated(x, embedding, p):
    scale, shift = np.split(linear(embedding / (1 + np.exp(-embedding)), p), 2, axis=-1)
    return x * (1 + scale[:, None, None]) + shift[:, None, None]


def gate(x):
    return x[..., : x.shape[-1] // 2] * x[..., x.shape[-1] // 2 :]


def twin(x, embedding, p):
    """The block, layer after layer; of nested dense layers the outer is numbered first."""
    y = linear(modulated(norm(x, p["LayerNorm_0"]), embedding, p["Dense_1"]), p["Dense_0"])
    kernel = p["DepthwiseConv_0"]["kernel"][:, :, 0]
    y = np.stack(
        [
            [
                scipy.ndimage.correlate(image[..., c], kernel[..., c], mode="constant")
                for c in range(y.shape[-1])
            ]
            for image in y
        ]
    )
    y = gate(np.moveaxis(y, 1, -1) + p["DepthwiseConv_0"]["bias"])
    y = y * linear(y.mean((1, 2)), p["Dense_2"])[:, None, None]
    x = x + p["beta"] * linear(y, p["Dense_3"])
    y = linear(modulated(norm(x, p["LayerNorm_1"]), embedding, p["Dense_5"]), p["Dense_4"])
    return x + p["gamma"] * linear(gate(y), p["Dense_6"])


def test_a_block_against_its_twin():
    rng = np.random.default_rng(0)
    module = networks.NAFBlock(features=4)
    x, embedding = (rng.normal(size=shape) for shape in ((2, 5, 7, 4), (2, EMBEDDING)))
    inputs = jnp.asarray(x, jnp.float32), jnp.asarray(embedding, jnp.float32)
    shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    variables = jax.tree.map(lambda leaf: rng.normal(0, 0.5, leaf.shape), shapes)
    single = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), variables)
    ours = module.apply(single, *inputs)
    expected = twin(x, embedding, variables["params"])
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def test_a_new_block_is_the_identity():
    x = jax.random.normal(jax.random.key(1), (1, 4, 6, 8))
    ours, _ = networks.NAFBlock(features=8).init_with_output(
        jax.random.key(0), x, jnp.ones((1, EMBEDDING))
    )
    np.testing.assert_array_equal(ours, x)
