"""The refinement network against its PyTorch twin, and its sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nedr_golden import cases, check_golden, compare, drawn, twin

from dehaze_jax.networks.refinement import RefinementCNN

CASES = cases("refinement")


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_equals_torch(case, train):
    """By batch statistics, with gradients and the running ones; by running statistics."""
    module = RefinementCNN(**twin().CASES[case][1])

    def apply(given, x):
        return module.apply(given, x, train=train, mutable=["batch_stats"])

    # Places of pixels in what is resized are float32.
    tolerance = {"rtol": 1e-5, "atol": 1e-5}
    compare(apply, case, train, collection="batch_stats", tolerance=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_golden_arrays_are_what_torch_gives(case):
    pytest.importorskip("torch")
    check_golden(case)


def test_published_parameters(key):
    """With a bias in every convolution, also in those before a normalisation."""
    module = RefinementCNN()
    shapes = jax.eval_shape(lambda: module.init(key, jnp.zeros((1, 16, 16, 3)), train=False))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 1_484_483


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (7, 4)])
def test_any_size(height, width):
    """The size stays, and values are between -1 and 1."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(30 * rng.normal(size=(2, height, width, 3)), jnp.float32)
    module = RefinementCNN(1, 0)
    given = drawn(module, x, train=True)
    apply = jax.jit(module.apply, static_argnames="train")
    y = apply(given, x, train=False)
    assert y.shape == x.shape
    assert np.isfinite(y).all()
    assert np.abs(y).max() <= 1
