import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import lut


@pytest.mark.parametrize("size", [2, 3, 17])
def test_nodes_hold_their_own_colour(size):
    table = lut.identity(size)
    expected = np.stack(np.indices((size,) * 3), axis=-1) / (size - 1)
    assert table.dtype == jnp.float32
    np.testing.assert_allclose(table, expected, atol=1e-7)
    np.testing.assert_array_equal(table[-1, 0, -1], (1, 0, 1))


def test_dtype_is_kept():
    assert lut.identity(3, dtype=jnp.bfloat16).dtype == jnp.bfloat16


@pytest.mark.parametrize("size", [1, 0, -3])
def test_refuses_a_single_node(size):
    with pytest.raises(ValueError, match="at least 2 nodes"):
        lut.identity(size)
