"""Attention among near and far pixels: against loops in NumPy, and at the edge of the picture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import networks
from dehaze_jax.networks.attention import attend, join_groups, split_groups

EMBEDDING = 6


def members(reach, size, height, width):
    """Pixels of every group, in order."""
    rows, columns = height // size, width // size
    if reach == "window":
        return [
            [(i * size + di, j * size + dj) for di in range(size) for dj in range(size)]
            for i in range(rows)
            for j in range(columns)
        ]
    return [
        [(di * rows + i, dj * columns + j) for di in range(size) for dj in range(size)]
        for i in range(rows)
        for j in range(columns)
    ]


@pytest.mark.parametrize("reach", ["window", "grid"])
def test_groups_hold_the_pixels_that_they_should(reach):
    x = jnp.arange(6 * 4).reshape(1, 6, 4, 1)
    groups = split_groups(x, reach, 2)
    expected = [[4 * row + column for row, column in g] for g in members(reach, 2, 6, 4)]
    np.testing.assert_array_equal(groups[0, :, :, 0], expected)
    np.testing.assert_array_equal(join_groups(groups, reach, 2, (6, 4)), x)


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


@pytest.mark.parametrize(("channels", "heads"), [(6, 1), (6, 2), (5, 1)])
def test_attention_against_loops(channels, heads):
    rng = np.random.default_rng(0)
    qkv = rng.normal(size=(2, 3, 4, 3 * channels)).astype(np.float32)
    inside = rng.random((1, 3, 4)) > 0.3
    ours = attend(jnp.asarray(qkv), jnp.asarray(inside), heads=heads)
    wide = channels // heads
    expected = np.zeros((2, 3, 4, channels))
    for b, g, i, head in np.ndindex(2, 3, 4, heads):
        own = slice(head * wide, (head + 1) * wide)
        q, k, v = (part[..., own] for part in np.split(qkv[b, g], 3, axis=-1))
        seen = np.flatnonzero(inside[0, g])
        weights = softmax(k[seen] @ q[i] / np.sqrt(wide))
        expected[b, g, i, own] = weights @ v[seen]
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reach", ["window", "grid"])
def test_pixels_beyond_the_picture_are_not_seen(reach):
    """A picture of 5 x 3 fills up to 8 x 4; what a pixel gets is a mean over those of its group
    that are in the picture."""
    rng = np.random.default_rng(1)
    block = networks.AttentionBlock(features=4, reach=reach, size=4)
    x = jnp.asarray(rng.normal(size=(1, 5, 3, 12)), jnp.float32)
    ours = block.apply({}, x.at[..., :8].set(0), method="_attend")  # all keys alike: plain means
    expected = np.zeros((5, 3, 4))
    for group in members(reach, 4, 8, 4):
        own = [(i, j) for i, j in group if i < 5 and j < 3]
        for place in own:
            expected[place] = np.mean([x[0, i, j, 8:] for i, j in own], axis=0)
    np.testing.assert_allclose(ours[0], expected, atol=1e-5)


def test_a_new_block_only_adds_the_convolution():
    x = jax.random.normal(jax.random.key(1), (1, 4, 6, 8))
    embedding = jnp.ones((1, EMBEDDING))
    ours, variables = networks.AttentionBlock(features=8).init_with_output(
        jax.random.key(0), x, embedding
    )
    place = {"params": variables["params"]["DepthwiseConv_0"]}
    np.testing.assert_array_equal(ours, x + networks.DepthwiseConv(3).apply(place, x))
