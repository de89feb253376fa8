"""The small encoder: scales, and that pictures, places and statistics do not leak."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax.networks import SlimEncoder
from dehaze_jax.networks.slim_encoder import SlimBlock

NETWORK = SlimEncoder(width=4, blocks=1)


@functools.partial(jax.jit, static_argnames="train")
def apply(variables, x, train):
    return NETWORK.apply(variables, x, train=train)


def run(variables, x, *, train=False):
    return apply(variables, jnp.asarray(x, jnp.float32), train)


@pytest.fixture(scope="module")
def variables():
    """All random, so that no block is the identity."""
    init = functools.partial(NETWORK.init, train=False)
    tree = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, 0.3, leaf.shape), jnp.float32), tree)


@pytest.mark.parametrize("width", [4, 16])
@pytest.mark.parametrize(("rows", "columns"), [(64, 96), (33, 31), (1, 5)])
def test_four_scales_rounded_up(rows, columns, width):
    network, x = SlimEncoder(width), jnp.zeros((2, rows, columns, 3))
    tree = jax.eval_shape(functools.partial(network.init, train=False), jax.random.key(0), x)
    assert set(tree) == {"params"}  # no running statistics
    taps = jax.eval_shape(functools.partial(network.apply, train=True), tree, x)
    for level, tap in enumerate(taps):
        factor = 4 << level
        assert tap.shape == (2, -(-rows // factor), -(-columns // factor), width << level)


@pytest.mark.parametrize("blocks", [1, 3])
def test_parameters(blocks):
    def block(c):
        return 2 * c + 9 * c * c + c + c * c + c  # norm, convolution, dense

    width, count, features = 8, 12 * 8 + 8 + block(8), 8
    for out in (8, 16, 32, 64):
        count += 4 * features * out + out + blocks * block(out) + 2 * out
        features = out
    init = functools.partial(SlimEncoder(width, blocks).init, train=False)
    tree = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree)) == count


def test_training_and_batch_change_nothing(variables):
    pictures = np.random.default_rng(1).uniform(size=(5, 32, 32, 3))
    together = run(variables, pictures)
    for tap, alone, trained in zip(
        together,
        run(variables, pictures[1:2]),
        run(variables, pictures, train=True),
        strict=True,
    ):
        np.testing.assert_allclose(tap[1:2], alone, atol=2e-5)
        np.testing.assert_array_equal(tap, trained)


@pytest.fixture(scope="module")
def fresh():
    """Initial values."""
    init = jax.jit(functools.partial(NETWORK.init, train=False))
    return init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


def test_features_start_at_unit_scale(fresh):
    pictures = np.random.default_rng(2).uniform(size=(5, 32, 32, 3))
    for tap in run(fresh, pictures):
        np.testing.assert_allclose(np.mean(tap, axis=-1), 0, atol=1e-4)
        np.testing.assert_allclose(np.std(tap), 1, atol=0.02)


def test_brightness_is_seen(fresh):
    """Though features are normalised: flat pictures differ by their grey alone."""
    greys = np.linspace(0.1, 0.9, 5)[:, None, None, None] * np.ones((1, 32, 32, 3))
    for tap in run(fresh, greys):
        steps = np.abs(np.diff(np.asarray(tap), axis=0)).mean(axis=(1, 2, 3))
        assert (steps > 0.05).all()


def test_gradient_is_bounded_on_flat_pictures(variables):
    """Where all channels of a pixel are alike, normalising alone would divide by zero."""

    @jax.jit
    def pull(x):
        return jax.grad(lambda x: sum(jnp.sum(t) for t in NETWORK.apply(variables, x, train=True)))(
            x
        )

    for grey in (0.0, 0.5, 1.0):
        gradient = pull(jnp.full((1, 32, 32, 3), grey))
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() < 1e3


def test_a_new_block_is_the_identity(key):
    x = jax.random.normal(key, (1, 4, 4, 8))
    y, variables = jax.jit(SlimBlock().init_with_output)(key, x)
    np.testing.assert_array_equal(y, x)
    params = variables["params"]
    dense = {**params["dense"], "kernel": jnp.eye(8)}
    changed = jax.jit(SlimBlock().apply)({"params": {**params, "dense": dense}}, x)
    assert np.abs(changed - x).max() > 0.1
