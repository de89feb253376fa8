import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import networks


def perturbed(key, tree):
    """Noise on every leaf, so that layers that start at zero do something."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, len(leaves))
    noisy = [x + 0.3 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    return structure.unflatten(noisy)


@pytest.fixture
def block(key):
    module = networks.ResidualBlock(8)
    x = jax.random.normal(key, (2, 5, 4, 8))
    return module, module.init(key, x, jnp.ones((2, 3))), x


def test_a_new_block_is_the_identity(block):
    module, variables, x = block
    np.testing.assert_array_equal(module.apply(variables, x, jnp.ones((2, 3))), x)


def test_embedding_modulates_only_its_own_image(block, key):
    module, variables, x = block
    apply = jax.jit(module.apply)
    variables = perturbed(key, variables)
    before = apply(variables, x, jnp.ones((2, 3)))
    after = apply(variables, x, jnp.ones((2, 3)).at[1].set(-1.0))
    np.testing.assert_allclose(after[0], before[0], atol=1e-6)
    assert np.abs(after[1] - before[1]).max() > 0.01


def test_gate_sees_the_whole_image(block, key):
    """Far beyond the reach of two 3 x 3 convolutions."""
    module, variables, _ = block
    x = jax.random.normal(key, (1, 12, 12, 8))
    apply = jax.jit(module.apply)
    variables = perturbed(key, variables)
    before = apply(variables, x, jnp.ones((1, 3)))
    after = apply(variables, x.at[:, 0, 0, 0].add(5.0), jnp.ones((1, 3)))
    assert np.abs(after[0, -1, -1] - before[0, -1, -1]).max() > 1e-5


@pytest.mark.parametrize(("height", "width", "size"), [(4, 6, 2), (5, 7, 2), (7, 1, 4), (6, 9, 3)])
def test_fold_is_space_to_depth(height, width, size):
    from dehaze_jax.networks.layers import fold

    x = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
    ours = np.asarray(fold(jnp.asarray(x), size))
    rows, columns = -(-height // size), -(-width // size)
    expected = np.zeros((2, rows, columns, size * size * 3), np.float32)
    for i in range(rows):
        for j in range(columns):
            for n in range(size * size):
                y = min(i * size + n // size, height - 1)
                z = min(j * size + n % size, width - 1)
                expected[:, i, j, 3 * n : 3 * n + 3] = x[:, y, z]
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize(("height", "width"), [(4, 6), (3, 5)])
def test_upsample_repeats(height, width):
    from dehaze_jax.networks.layers import upsample

    x = np.random.default_rng(0).normal(size=(1, 2, 3, 2)).astype(np.float32)
    expected = np.kron(x, np.ones((1, 2, 2, 1), np.float32))[:, :height, :width]
    np.testing.assert_array_equal(upsample(jnp.asarray(x), height, width), expected)
