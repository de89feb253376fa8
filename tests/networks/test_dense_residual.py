"""Dense residual enhancement against its PyTorch twin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nedr_golden import cases, check_golden, compare, drawn, twin

from dehaze_jax.networks.dense_residual import DenseResidualEnhancement

CASES = cases("dense")


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_equals_torch(case, train):
    """In training with the gradients of features and all parameters."""
    module = DenseResidualEnhancement(**twin().CASES[case][1])
    compare(lambda given, x: module.apply(given, x, train=train), case, train)


@pytest.mark.parametrize("case", CASES)
def test_golden_arrays_are_what_torch_gives(case):
    pytest.importorskip("torch")
    check_golden(case)


def test_published_parameters(key):
    """Of 1,476,768 the released module has, 2 x 4,864 are of two layers that it never uses."""
    module = DenseResidualEnhancement()
    shapes = jax.eval_shape(lambda: module.init(key, jnp.zeros((1, 8, 8, 32)), train=False))
    leaves = jax.tree.leaves(shapes["params"])
    assert sum(leaf.size for leaf in leaves) == 1_476_768 - 2 * 4_864


def test_nothing_found_changes_nothing():
    """What is subtracted comes from the last layer alone."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 6, 5, 3)), jnp.float32)
    module = DenseResidualEnhancement(4, 3)
    given = drawn(module, x, train=True)["params"]
    silent = {**given, "last": jax.tree.map(jnp.zeros_like, given["last"])}
    apply = jax.jit(module.apply, static_argnames="train")
    np.testing.assert_array_equal(apply({"params": silent}, x, train=True), x)
    assert np.abs(apply({"params": given}, x, train=True) - x).max() > 0.01
