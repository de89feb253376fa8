"""Derivatives of a look-up: against finite differences, and against plain differentiation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lut_twins import INTERPOLATIONS

from dehaze_jax import lut
from dehaze_jax.lut import lookup

pytestmark = pytest.mark.parametrize("interpolation", INTERPOLATIONS)


def problem(dtype=np.float64, size=4, shape=(3, 4)):
    """A table and planes, and a direction for each. Colours leave the domain."""
    rng = np.random.default_rng(0)

    def arrays(draw):
        table = draw(size=(size,) * 3 + (3,))
        return jnp.asarray(table, dtype), tuple(jnp.asarray(draw(size=shape), dtype) for _ in "rgb")

    return arrays(partial(rng.uniform, -0.1, 1.1)), arrays(rng.normal)


def loss(table, planes, interpolation):
    """Curved in the colours that are read."""
    red, green, blue = lookup.read(table, planes, interpolation=interpolation)
    return jnp.sum(jnp.sin(3 * red) * green + blue**3)


def plain_loss(table, planes, interpolation):
    """The same, differentiated by JAX's own rules."""
    red, green, blue = lookup._read(table, *planes, interpolation=interpolation)
    return jnp.sum(jnp.sin(3 * red) * green + blue**3)


def moved(point, direction, step):
    return jax.tree.map(lambda x, v: x + step * v, point, direction)


def dot(a, b):
    return sum(jnp.vdot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def check_trees(ours, theirs, tolerance):
    """Close, as a share of the largest value."""

    def check(a, b):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())

    jax.tree.map(check, ours, theirs)


@pytest.mark.usefixtures("x64")
def test_gradient_and_jvp_equal_finite_differences(interpolation):
    point, direction = problem()
    function = jax.jit(lambda point: loss(*point, interpolation))
    slope = (
        function(moved(point, direction, 1e-6)) - function(moved(point, direction, -1e-6))
    ) / 2e-6
    backward = dot(jax.jit(jax.grad(function))(point), direction)
    forward = jax.jit(partial(jax.jvp, function))((point,), (direction,))[1]
    np.testing.assert_allclose(backward, slope, rtol=1e-7)
    np.testing.assert_allclose(forward, slope, rtol=1e-7)


@pytest.mark.usefixtures("x64")
def test_gradients_of_images_with_a_domain(interpolation):
    """Through `apply`: the domain's scale, and channels put apart and together."""
    (table, planes), (d_table, d_planes) = problem()
    point, direction = (table, jnp.stack(planes, -1)), (d_table, jnp.stack(d_planes, -1))
    options = {"interpolation": interpolation, "domain": ((-0.5, 0.0, 0.1), (1.0, 2.0, 0.9))}

    @jax.jit
    def function(point):
        return jnp.sum(jnp.sin(lut.apply(*point, **options)))

    slope = (
        function(moved(point, direction, 1e-6)) - function(moved(point, direction, -1e-6))
    ) / 2e-6
    np.testing.assert_allclose(dot(jax.jit(jax.grad(function))(point), direction), slope, rtol=1e-7)


@pytest.mark.usefixtures("x64")
def test_gradients_equal_plain_differentiation(interpolation):
    """The two of them, and each alone: then the other's tangent is a symbolic zero."""
    (table, planes), _ = problem(size=9, shape=(30, 40))

    @jax.jit
    def derivatives(table, planes):
        ours = [jax.grad(loss, argnums=k)(table, planes, interpolation) for k in ((0, 1), 0, 1)]
        return ours, jax.grad(plain_loss, argnums=(0, 1))(table, planes, interpolation)

    ours, theirs = derivatives(table, planes)
    check_trees(ours, [theirs, *theirs], 1e-13)


@pytest.mark.usefixtures("x64")
def test_second_derivatives(interpolation):
    """Products with the Hessian in both orders, and by finite differences."""
    point, direction = problem()

    @jax.jit
    def derivatives():
        gradient = jax.grad(lambda point: loss(*point, interpolation))
        ahead, behind = (gradient(moved(point, direction, step)) for step in (1e-6, -1e-6))
        difference = jax.tree.map(lambda a, b: (a - b) / 2e-6, ahead, behind)
        along = jax.jvp(gradient, (point,), (direction,))[1]
        return along, jax.grad(lambda point: dot(gradient(point), direction))(point), difference

    forward_reverse, reverse_reverse, difference = derivatives()
    check_trees(forward_reverse, reverse_reverse, 1e-12)
    check_trees(forward_reverse, difference, 1e-7)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("tables", "piece"), [((), 1), ((), 100), ((2, 3), 26)])
def test_pieces_of_the_transpose(interpolation, tables, piece):
    """One row of eleven at once, three, and five."""
    rng = np.random.default_rng(1)
    shape, table_shape = (2, 3, 11, 5), (*tables, 4, 4, 4, 3)
    arrays = [jnp.asarray(rng.uniform(size=shape)) for _ in range(6)]
    spread = partial(
        jax.jit(lookup._spread, static_argnames=("interpolation", "table_shape", "piece")),
        *arrays,
        interpolation=interpolation,
        table_shape=table_shape,
    )
    whole = spread(piece=None)
    np.testing.assert_allclose(spread(piece=piece), whole, rtol=0, atol=1e-13)
    # All weights of a colour are one together.
    sums = [np.sum(cotangent, axis=tuple(range(len(tables), 4))) for cotangent in arrays[3:]]
    np.testing.assert_allclose(whole.sum(axis=(-4, -3, -2)), np.stack(sums, axis=-1), atol=1e-12)


def test_gradients_in_pieces(interpolation, monkeypatch):
    """Through the primitive: the loop is there, and gives what plain differentiation gives."""
    shape = {"trilinear": (500,), "tetrahedral": (5, 11, 20)}[interpolation]
    (table, planes), _ = problem(np.float32, shape=shape)
    monkeypatch.setattr(lookup, "_PIECE", 64)
    gradient = jax.jit(lambda *point: jax.grad(loss)(*point, interpolation))
    looped = "while" in gradient.lower(table, planes).as_text()
    assert looped
    expected = jax.jit(lambda *point: jax.grad(plain_loss)(*point, interpolation))(table, planes)
    check_trees(gradient(table, planes), expected, 1e-5)
