"""B-splines against SciPy's, with their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import interpolate

from dehaze_jax.errors import InputError
from dehaze_jax.networks import spline_basis, uniform_knots
from dehaze_jax.networks.splines import bases_and_slopes

RNG = np.random.default_rng(0)
KNOTS = {
    "uniform": np.linspace(-2.2, 2.2, 12),
    "uneven": np.cumsum(RNG.uniform(0.05, 1, 12)) - 2,
    "close": np.array([-1, -0.5, -0.49, 0, 0.7, 0.701, 1.2, 2.0, 2.1, 2.4, 2.41, 3.0]),
}
ORDERS = range(5)

basis = jax.jit(spline_basis, static_argnames="order")


def reference(x, knots, order, derivative=0):
    """SciPy's splines, with knots beyond the outermost ones, since SciPy stops `order` within."""
    beyond = np.arange(1.0, order + 1)
    knots = np.concatenate([knots[0] - beyond[::-1], knots, knots[-1] + beyond])
    splines = interpolate.BSpline(knots, np.eye(len(knots) - order - 1), order)
    return splines.derivative(derivative)(x)[..., order : -order or None]


def places(knots):
    """The knots, and places between and close to them."""
    return np.sort(np.concatenate([knots, knots[1:] - 1e-4, np.linspace(knots[0], knots[-1], 50)]))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", KNOTS)
def test_equals_scipy(case, order):
    knots = KNOTS[case].astype(np.float32)
    x = places(knots).astype(np.float32)
    ours = basis(jnp.asarray(x), jnp.asarray(knots), order=order)
    np.testing.assert_allclose(ours, reference(x, knots.astype(float), order), atol=1e-6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("order", [0, 1, 3])
def test_derivatives_equal_scipy(order):
    """But at the last knot, where a derivative may jump; with the values, in float64."""
    for knots in KNOTS.values():
        x = places(knots)
        pair = bases_and_slopes(jnp.asarray(x), jnp.asarray(knots), order)
        values, slopes = (np.stack(arrays, axis=-1) for arrays in pair)
        np.testing.assert_allclose(values, reference(x, knots, order), atol=1e-12)
        expected = reference(x, knots, order, derivative=1) if order else np.zeros(values.shape)
        np.testing.assert_allclose(slopes[:-1], expected[:-1], atol=1e-10)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("order", [0, 1, 3])
def test_knots_may_be_repeated(order):
    """At the ends, where the last interval includes its end, and within."""
    knots = np.array([0.0] * (order + 1) + [0.3, 0.5, 0.5, 0.9] + [1.0] * (order + 1))
    x = np.sort(np.concatenate([knots, np.linspace(0, 1, 40)]))
    splines = interpolate.BSpline(knots, np.eye(len(knots) - order - 1), order)
    ours = basis(jnp.asarray(x), jnp.asarray(knots), order=order)
    np.testing.assert_allclose(ours, splines(x), atol=1e-12)


def test_channels_with_knots_of_their_own():
    """Also one example after the other."""
    knots = jnp.asarray(np.stack(list(KNOTS.values())), jnp.float32)
    x = jnp.asarray(RNG.uniform(-2, 2, (2, 5, 3)), jnp.float32)
    ours = basis(x, knots, order=2)
    assert ours.shape == (2, 5, 3, 9)
    for channel in range(3):
        alone = basis(x[..., channel], knots[channel], order=2)
        np.testing.assert_allclose(ours[..., channel, :], alone, atol=1e-7)
    each = jax.jit(jax.vmap(lambda x: spline_basis(x, knots, order=2)))
    np.testing.assert_allclose(each(x), ours, atol=1e-7)


@pytest.mark.parametrize("order", ORDERS)
def test_zero_beyond_the_outermost_knots(order):
    knots = KNOTS["uneven"].astype(np.float32)
    x = np.array([-1e30, knots[0] - 1e-3, knots[-1] + 1e-3, 1e30], np.float32)
    ours = basis(jnp.asarray(x), jnp.asarray(knots), order=order)
    np.testing.assert_array_equal(ours, np.zeros((4, len(knots) - order - 1)))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("order", [0, 3])
def test_gradients_are_finite_differences(order):
    """Of places and of knots, along a direction."""
    knots, x = jnp.asarray(KNOTS["uneven"]), jnp.asarray(RNG.uniform(-2.5, 4, 30))
    moves = jnp.asarray(RNG.normal(size=x.shape)), jnp.asarray(RNG.normal(size=knots.shape))
    cotangents = jnp.asarray(RNG.normal(size=(30, len(knots) - order - 1)))

    @jax.jit
    def along(step):
        moved = spline_basis(x + step * moves[0], knots + step * moves[1], order=order)
        return jnp.sum(cotangents * moved)

    step = 1e-5
    expected = (along(step) - along(-step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(along)(0.0), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("intervals", "order"), [(5, 3), (1, 0), (4, 1)])
def test_uniform_knots(intervals, order):
    knots = uniform_knots(-1.5, 2.0, intervals, order)
    step = 3.5 / intervals
    expected = np.linspace(-1.5 - order * step, 2 + order * step, intervals + 1 + 2 * order)
    np.testing.assert_allclose(knots, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uniform_knots(-1.0, 1.0, 0, 3), "intervals: 0 is not positive"),
        (lambda: uniform_knots(-1.0, 1.0, 5, -1), "order: -1 is negative"),
        (lambda: uniform_knots(1.0, 1.0, 5, 3), "domain: does not run from 1.0 up to 1.0"),
        (lambda: spline_basis(jnp.zeros(3), jnp.zeros(3), order=-1), "order: -1 is negative"),
        (lambda: spline_basis(jnp.zeros(3), jnp.zeros(4), order=3), "knots: 4 are too few"),
        (lambda: spline_basis(jnp.zeros(3), jnp.zeros((2, 5)), order=1), "do not fit"),
        (lambda: spline_basis(jnp.zeros(()), jnp.zeros((2, 5)), order=1), "do not fit"),
    ],
)
def test_what_cannot_be_used_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
