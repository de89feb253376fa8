"""Backbones: odd sizes, parameters, and one's own."""

import math
import sys
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import networks
from dehaze_jax.errors import InputError

EMBEDDING = 6


def conv(inputs, outputs):
    return 9 * inputs * outputs + outputs


def dense(inputs, outputs):
    return inputs * outputs + outputs


def block(width):
    film, norm = dense(EMBEDDING, 2 * width), 2 * width
    gate = dense(width, width // 4) + dense(width // 4, width)
    return film + norm + gate + 2 * conv(width, width)


def count(module, shape):
    example = jnp.zeros(shape), jnp.zeros((shape[0], EMBEDDING))
    variables = jax.eval_shape(module.init, jax.random.key(0), *example)
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables))


def test_parameters_of_the_residual_network():
    module = networks.ResidualCNN(features=5, width=8, depth=2)
    expected = conv(3, 8) + 2 * block(8) + conv(8, 5)
    assert count(module, (1, 4, 4, 3)) == expected == 3265


def test_parameters_of_the_unet():
    module = networks.UNet(features=5, width=8, multipliers=(1, 2))
    down = conv(3, 8) + block(8) + dense(4 * 8, 16) + 2 * block(16)
    up = dense(16, 8) + block(8) + 2 * 8 + conv(8, 5)
    assert count(module, (1, 4, 4, 3)) == down + up == 14033


@pytest.mark.parametrize("name", networks.BACKBONES)
def test_odd_sizes_and_what_the_output_depends_on(name):
    """Four images of 7 x 5: one as it is, twice, with another last pixel, and at another time."""
    rng = np.random.default_rng(0)
    module = networks.find_backbone(name)(features=2, width=8)
    x = np.repeat(rng.normal(size=(1, 7, 5, 3)), 4, axis=0).astype(np.float32)
    x[2, -1, -1] += 1
    embedding = np.ones((4, EMBEDDING), np.float32)
    embedding[3] = -1
    inputs = jnp.asarray(x), jnp.asarray(embedding)
    shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    # No layer at zero, or the embedding would have no effect.
    variables = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(0, 0.3, leaf.shape), jnp.float32), shapes
    )
    y = np.asarray(jax.jit(module.apply)(variables, *inputs))
    assert y.shape == (4, 7, 5, 2)
    np.testing.assert_allclose(y[1], y[0], atol=1e-5)
    assert np.abs(y[2, -1, -1] - y[0, -1, -1]).min() > 1e-3
    assert np.abs(y[3] - y[0]).mean() > 1e-3


def test_a_module_of_the_users(monkeypatch):
    class Mine(nn.Module):
        features: int
        width: int

    module = types.ModuleType("my_networks")
    module.Mine = Mine
    monkeypatch.setitem(sys.modules, "my_networks", module)
    assert networks.find_backbone("my_networks:Mine") is Mine


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet", "no such backbone; there are residual, unet, nafnet, attention, and yours as"),
        ("no_such_module:Mine", "cannot be imported: No module named"),
        ("math:Mine", "cannot be imported: module 'math' has no attribute"),
    ],
)
def test_refusals_name_the_backbone(name, reason):
    with pytest.raises(InputError, match=reason) as caught:
        networks.find_backbone(name)
    assert str(caught.value).startswith(name)
