import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import networks


def test_sinusoids_in_closed_form():
    t = np.array([[0.0, 0.25], [0.7, 1.0]], np.float32)
    ours = networks.sinusoids(jnp.asarray(t), 8, max_frequency=27.0)
    angle = np.pi * t[..., None] * np.array([1.0, 3.0, 9.0, 27.0])
    expected = np.concatenate([np.cos(angle), np.sin(angle)], axis=-1)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_one_pair_has_the_lowest_frequency():
    ours = networks.sinusoids(jnp.float32(0.5), 2)
    np.testing.assert_allclose(ours, [0, 1], atol=1e-6)


@pytest.mark.parametrize("features", [0, 1, 7])
def test_refuses_half_a_pair(features):
    with pytest.raises(ValueError, match=f"even number of features, not {features}"):
        networks.sinusoids(jnp.zeros(1), features)


def test_embedding_is_two_dense_layers_on_sinusoids(key):
    module = networks.TimeEmbedding(6)
    t = jnp.asarray([0.1, 0.8])
    variables = module.init(key, t)
    first, second = (variables["params"][f"Dense_{i}"]["kernel"] for i in range(2))
    hidden = np.asarray(networks.sinusoids(t, 6)) @ first
    expected = (hidden / (1 + np.exp(-hidden))) @ second
    np.testing.assert_allclose(module.apply(variables, t), expected, atol=1e-5)
