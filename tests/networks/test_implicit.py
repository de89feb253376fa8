"""The local implicit function against its PyTorch twin, and what makes it continuous."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nedr_golden import cases, check_golden, compare, twin

from dehaze_jax.networks.coordinates import encode, pixel_centres
from dehaze_jax.networks.implicit import LocalImplicitFunction

CASES = cases("implicit")
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(2, 5, 6, 4)).astype(np.float32)


@functools.partial(jax.jit, static_argnames=("module", "height", "width", "cell"))
def query(module, given, features, height=None, width=None, cell=None):
    return module.apply(given, features, height, width, cell=cell)


@pytest.fixture(scope="module")
def small():
    """A module, its weights and features."""
    module, features = LocalImplicitFunction(3, hidden=(16, 8)), jnp.asarray(FEATURES)
    start = jax.jit(module.init)
    return module, start(jax.random.key(0), features), features


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", CASES)
def test_equals_torch(case):
    """Grids of the same, more and fewer pixels; gradients of features and all parameters."""
    _, options, _, call = twin().CASES[case]
    module = LocalImplicitFunction(3, **{"hidden": (6, 5), **options})
    compare(lambda given, x: module.apply(given, x, **call), case, train=True)


@pytest.mark.parametrize("case", CASES)
def test_golden_arrays_are_what_torch_gives(case):
    pytest.importorskip("torch")
    check_golden(case)


@pytest.mark.parametrize("coordinates", ["absolute", "none"])
def test_published_parameters(coordinates, key):
    """Also those of the coordinates that are not read."""
    module = LocalImplicitFunction(32, coordinates=coordinates)
    shapes = jax.eval_shape(module.init, key, jnp.zeros((1, 4, 4, 32)))["params"]
    widths = [9 * 32 + 18 + 2, 256, 256, 256, 32]
    expected = {
        f"layers_{number}": {"kernel": (inputs, outputs), "bias": (outputs,)}
        for number, (inputs, outputs) in enumerate(itertools.pairwise(widths))
    }
    assert jax.tree.map(lambda leaf: leaf.shape, shapes) == expected
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 218_912


def test_initial_values_are_uniform_within_the_bounds_of_torch(small):
    _, given, _ = small
    for layer in given["params"].values():
        bound = len(layer["kernel"]) ** -0.5
        assert np.abs(layer["bias"]).max() <= bound
        assert 0.9 * bound < np.abs(layer["kernel"]).max() <= bound
        assert np.std(layer["kernel"]) == pytest.approx(bound / np.sqrt(3), rel=0.1)


def test_continuous(small):
    """A grid three times as fine has the same values where it has the same points.

    The size of a query pixel is what the network is told, and stays.
    """
    module, given, features = small
    coarse = query(module, given, features)
    fine = query(module, given, features, 15, 18, cell=(2.0, 2.0))
    np.testing.assert_allclose(fine[:, 1::3, 1::3], coarse, atol=1e-5)
    assert np.abs(fine[:, ::3, ::3] - coarse).max() > 1e-3


def test_no_steps_between_pixels(small):
    """On finer and finer grids, neighbours come nearer: half as far, or nearly."""
    module, given, features = small
    steps = []
    for factor in (15, 30):
        queried = query(module, given, features, 5 * factor, 6 * factor, cell=(1.0, 1.0))
        steps.append(max(np.abs(np.diff(queried, axis=axis)).max() for axis in (1, 2)))
    assert steps[1] < 0.6 * steps[0]


@pytest.mark.parametrize("size", [(5, 6), (10, 6), (8, 9)])
def test_without_coordinates_they_are_zeros(size, small):
    """By weights that were learnt with them."""
    module, given, features = small
    blind = dataclasses.replace(module, coordinates="none")
    first = given["params"]["layers_0"]
    kernel = first["kernel"].at[9 * 4 : 9 * 4 + 18].set(0)
    changed = {**given["params"], "layers_0": {**first, "kernel": kernel}}
    expected = query(module, {"params": changed}, features, *size)
    np.testing.assert_allclose(query(blind, given, features, *size), expected, atol=1e-6)
    assert np.abs(query(module, given, features, *size) - expected).max() > 0.01


def test_reads_coordinates_and_their_encoding_in_this_order(small):
    """Without features, a plain network of 18 coordinates and the cell."""
    module, given, features = small
    at = pixel_centres(7, 9)
    cell = np.broadcast_to((2 * 5 / 7, 2 * 6 / 9), (7, 9, 2))
    x = np.concatenate([np.zeros((7, 9, 36)), at, encode(at), cell], axis=-1)
    for number in range(3):
        layer = jax.tree.map(np.asarray, given["params"][f"layers_{number}"])
        x = x @ layer["kernel"] + layer["bias"]
        x = x if number == 2 else np.maximum(x, 0)
    found = query(module, given, jnp.zeros_like(features), 7, 9)
    np.testing.assert_allclose(found[0], x, atol=1e-5)


@pytest.mark.parametrize(("size", "members"), [((5, 6), 1), ((5, 9), 2), ((10, 6), 2), ((7, 9), 4)])
def test_runs_no_more_often_than_members_differ(size, members, key):
    """Products and intermediate values: only the hidden layers at the resolution of queries."""
    module, features = LocalImplicitFunction(3, hidden=(7, 7, 7)), jnp.asarray(FEATURES)
    given = jax.eval_shape(module.init, key, features)
    jaxpr = jax.make_jaxpr(lambda given, x: module.apply(given, x, *size))(given, features)
    products = [eqn for eqn in equations(jaxpr.jaxpr) if eqn.primitive.name == "dot_general"]
    between = [eqn for eqn in products if eqn.outvars[0].aval.shape == (2, *size, 7)]
    assert len(between) == 2 * members
    largest = max(var.aval.size for eqn in equations(jaxpr.jaxpr) for var in eqn.outvars)
    assert largest == 2 * size[0] * size[1] * 7


def equations(jaxpr):
    """Of a program and the programs in it."""
    for eqn in jaxpr.eqns:
        inner = [value for value in eqn.params.values() if hasattr(value, "jaxpr")]
        yield from (eqn,) if not inner else ()
        for program in inner:
            yield from equations(program.jaxpr)
