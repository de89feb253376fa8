import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

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


class TestResample:
    @pytest.mark.parametrize(("old", "new"), [(2, 5), (5, 2), (7, 12), (12, 7), (9, 9)])
    def test_equals_scipy(self, old, new):
        table = np.random.default_rng(0).normal(size=(old, old, old, 3)).astype(np.float32)
        ours = lut.resample(jnp.asarray(table), new)
        node = np.linspace(0, 1, new)
        where = np.stack(np.meshgrid(node, node, node, indexing="ij"), axis=-1)
        twin = RegularGridInterpolator((np.linspace(0, 1, old),) * 3, table)(where)
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, twin, atol=2e-6)

    @pytest.mark.parametrize(("old", "new", "step"), [(5, 17, 4), (4, 10, 3), (17, 17, 1)])
    def test_is_exact_at_old_nodes(self, old, new, step):
        table = np.random.default_rng(1).normal(size=(old, old, old, 3)).astype(np.float32)
        fine = lut.resample(jnp.asarray(table), new)
        np.testing.assert_array_equal(fine[::step, ::step, ::step], table)
        np.testing.assert_array_equal(lut.resample(fine, old), table)

    @pytest.mark.parametrize(("old", "new"), [(2, 33), (17, 6)])
    def test_identity_stays_identity(self, old, new):
        ours = lut.resample(lut.identity(old), new)
        np.testing.assert_allclose(ours, lut.identity(new), atol=1e-6)

    def test_several_tables(self):
        tables = np.random.default_rng(2).normal(size=(2, 3, 4, 4, 4, 3)).astype(np.float32)
        ours = lut.resample(jnp.asarray(tables), 6)
        assert ours.shape == (2, 3, 6, 6, 6, 3)
        single = lut.resample(jnp.asarray(tables[1, 2]), 6)
        np.testing.assert_allclose(ours[1, 2], single, atol=1e-6)

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (np.zeros((3, 3, 3, 3), np.int32), "holds floats, not int32$"),
            (np.zeros((1, 1, 1, 3), np.float32), "at least 2 nodes along each axis, not 1$"),
            (np.zeros((2, 3, 2, 3), np.float32), r"not \[2, 3, 2, 3\]$"),
            (np.zeros((5, 3, 3, 3, 4), np.float32), r"not \[5, 3, 3, 3, 4\]$"),
            (np.zeros((3, 3), np.float32), r"not \[3, 3\]$"),
        ],
    )
    def test_refuses_what_is_no_table(self, table, message):
        with pytest.raises(ValueError, match=message):
            lut.resample(table, 3)

    @pytest.mark.parametrize("size", [1, 0])
    def test_refuses_a_single_node(self, size):
        with pytest.raises(ValueError, match="at least 2 nodes"):
            lut.resample(lut.identity(3), size)
