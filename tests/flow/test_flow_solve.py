"""Solves against closed forms, SciPy and a hand-written loop; honest statistics."""

import collections

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dehaze_jax import flow
from dehaze_jax.errors import InputError

ORDERS = {
    "euler": 1,
    "midpoint": 2,
    "heun": 2,
    "ralston": 2,
    "rk4": 4,
    "rk4-38": 4,
    "bosh3": 3,
    "tsit5": 5,
    "dopri5": 5,
    "dopri8": 8,
}


def lotka_volterra(t, x, params):
    hare, lynx = x
    growth, bite = params
    return hare * (growth - bite * lynx) + 0.1 * jnp.sin(3 * t), lynx * (bite * hare - growth)


def test_every_solver_is_tested():
    assert list(ORDERS) == list(flow.SOLVERS)


@pytest.fixture(scope="module", params=ORDERS)
def solved(request):
    """Two steps of x' = 2 cos(t) x over intervals of several lengths h and starts at once, counted.

    Time is scaled by h, so that one compilation serves all lengths.
    """
    calls = collections.Counter()
    # Long enough for the error to stand out of the rounding.
    shortest, longest = (0.2, 0.6) if ORDERS[request.param] == 8 else (0.05, 0.2)

    def field(t, x, h):
        return 2 * h * jnp.cos(phase + h * t) * x

    def velocity(t, x, h):
        jax.debug.callback(lambda: calls.update(["velocity"]))
        return field(t, x, h)

    with jax.enable_x64(True):
        h, phase = jnp.geomspace(shortest, longest, 6)[:, None], jnp.linspace(0, 6, 13)[None]
        options = {"solver": request.param, "num_steps": 2}
        times = np.array([0.0, 0.3, 0.5, 1.0])
        saved, stats = flow.integrate(velocity, jnp.ones((6, 13)), h, save_at=times, **options)
        jax.block_until_ready(saved)
        jax.effects_barrier()
        staged, _ = flow.scan_stages(
            lambda t, x, _: (field(t, x, h), None), jnp.ones((6, 13)), **options
        )
        at = times[:, None, None] * np.asarray(h)
        start = np.asarray(phase)
        exact = np.exp(2 * (np.sin(start + at) - np.sin(start)))
        error = np.linalg.norm(saved - exact, axis=-1)
        return request.param, np.asarray(h)[:, 0], error, stats, calls, saved, staged


def test_order(solved):
    name, h, (*_, error), *_ = solved
    slope = np.polyfit(np.log(h), np.log(error), 1)[0]
    # At a fixed number of steps the error of a method of order p goes with h^(p + 1).
    assert slope - 1 == pytest.approx(ORDERS[name], abs=0.25)


def test_order_between_the_ends_of_steps(solved):
    name, h, (_, error, *_), *_ = solved
    slope = np.polyfit(np.log(h), np.log(error), 1)[0]
    assert slope > {"rk4-38": 3, "dopri8": 6}.get(name, ORDERS[name]) - 0.25


def test_evaluations_are_counted_exactly(solved):
    _, _, _, stats, calls, *_ = solved
    assert bool(stats.ok)
    assert int(stats.steps) == 2
    assert int(stats.nfe) == calls["velocity"]


def test_stages_give_the_same_state(solved):
    *_, (start, _, _, x1), staged = solved
    np.testing.assert_array_equal(start, np.ones((6, 13)))
    np.testing.assert_allclose(staged, x1, rtol=1e-13)


@pytest.mark.usefixtures("x64")
def test_rk4_equals_scipy_and_a_hand_written_loop():
    start, params, count = (jnp.asarray(1.2), jnp.asarray(0.7)), (1.1, 0.8), 60
    hare, lynx = flow.integrate(
        lotka_volterra, start, params, solver=flow.RK4(), num_steps=count, t1=3.0
    )[0]

    def step(index, x):
        t, h = 3.0 / count * index, 3.0 / count

        def shifted(k, part):
            return tuple(a + part * h * b for a, b in zip(x, k, strict=True))

        k1 = lotka_volterra(t, x, params)
        k2 = lotka_volterra(t + h / 2, shifted(k1, 0.5), params)
        k3 = lotka_volterra(t + h / 2, shifted(k2, 0.5), params)
        k4 = lotka_volterra(t + h, shifted(k3, 1.0), params)
        slopes = zip(x, k1, k2, k3, k4, strict=True)
        return tuple(v + h / 6 * (a + 2 * b + 2 * c + d) for v, a, b, c, d in slopes)

    by_hand = jax.lax.fori_loop(0, count, step, start)
    np.testing.assert_allclose((hare, lynx), by_hand, rtol=1e-13)
    theirs = solve_ivp(
        lambda t, x: np.asarray(lotka_volterra(t, x, params)),
        (0, 3),
        (1.2, 0.7),
        method="DOP853",
        rtol=1e-10,
        atol=1e-12,
    )
    np.testing.assert_allclose((hare, lynx), theirs.y[:, -1], rtol=1e-6)


@pytest.mark.usefixtures("x64")
def test_backwards_returns_to_the_start():
    start, params = (jnp.asarray(1.2), jnp.asarray(0.7)), (1.1, 0.8)
    end, _ = flow.integrate(lotka_volterra, start, params, num_steps=64, t1=2.0)
    back, stats = flow.integrate(lotka_volterra, end, params, num_steps=64, t0=2.0, t1=0.0)
    assert bool(stats.ok)
    assert abs(float(end[0] - start[0])) > 0.1
    np.testing.assert_allclose(back, start, rtol=1e-7)


@pytest.mark.parametrize("solver", ["midpoint", "heun", "ralston", "bosh3", "tsit5", "dopri8"])
def test_adaptive_steps(solver):
    """The first step is far too long, so that steps are rejected and count nonetheless."""
    calls = collections.Counter()

    def velocity(t, x, params):
        jax.debug.callback(lambda: calls.update(["velocity"]))
        return 20 * jnp.cos(20 * t) * x

    x1, stats = flow.integrate(
        velocity, jnp.ones(2), solver=solver, num_steps=1, rtol=1e-4, atol=1e-4
    )
    jax.block_until_ready(x1)
    jax.effects_barrier()
    assert bool(stats.ok)
    assert int(stats.steps) > 4
    assert int(stats.rejected) > 0
    assert int(stats.accepted) + int(stats.rejected) == int(stats.steps)
    assert int(stats.nfe) == calls["velocity"]
    np.testing.assert_allclose(x1, np.exp(np.sin(20)), rtol=5e-3)


@pytest.mark.parametrize("num_steps", [1, 7, 1000])
def test_fixed_steps_are_as_many_as_asked_for(num_steps):
    x1, stats = flow.integrate(lambda t, x, _: -x, jnp.ones(1), solver="euler", num_steps=num_steps)
    assert bool(stats.ok)
    assert int(stats.steps) == int(stats.nfe) == num_steps
    np.testing.assert_allclose(x1, (1 - 1 / num_steps) ** num_steps, rtol=1e-4)


def test_rounding_of_late_times_takes_no_step_away():
    """A step is 23 units of the last place of t: added up, they would come to fewer."""
    options = {"solver": "euler", "num_steps": 700, "t0": 1000.0, "t1": 1001.0}
    x1, stats = flow.integrate(lambda t, x, _: jnp.ones_like(x), jnp.zeros(1), **options)
    assert int(stats.steps) == 700
    np.testing.assert_allclose(x1, 1, rtol=1e-4)


@pytest.mark.parametrize("solver", ["euler", "rk4", "rk4-38"])
def test_refuses_tolerances_without_an_error_estimate(solver):
    with pytest.raises(InputError, match=f"^{solver}: has no error estimate"):
        flow.integrate(lambda t, x, _: x, jnp.ones(1), solver=solver, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": -1.0, "atol": 1e-3}, "rtol has to be positive, not -1"),
        ({"rtol": 1e-3, "atol": 0.0}, "atol has to be positive, not 0"),
        ({"rtol": 1e-3, "atol": float("nan")}, "atol has to be positive, not nan"),
        ({"rtol": 1e-3, "atol": 1e-3, "max_steps": 0}, "at least one step, not max_steps = 0"),
    ],
)
def test_refuses_useless_tolerances(options, message):
    with pytest.raises(ValueError, match=message):
        flow.integrate(lambda t, x, _: x, jnp.ones(1), solver="heun", **options)


def test_one_program_serves_all_tolerances():
    @jax.jit
    def solve(x, tolerance):
        return flow.integrate(
            lotka_volterra, x, (1.0, 0.5), rtol=tolerance, atol=tolerance, solver="bosh3"
        )

    start = jnp.asarray(1.0), jnp.asarray(2.0)
    for tolerance in (1e-2, 1e-5):
        options = {"rtol": tolerance, "atol": tolerance, "solver": "bosh3"}
        given, stats = flow.integrate(lotka_volterra, start, (1.0, 0.5), **options)
        traced, traced_stats = solve(start, tolerance)
        np.testing.assert_allclose(traced, given, rtol=1e-6)
        assert int(traced_stats.nfe) == int(stats.nfe)
    assert solve._cache_size() == 1


def test_refuses_one_tolerance_alone():
    with pytest.raises(ValueError, match="together"):
        flow.integrate(lambda t, x, _: x, jnp.ones(1), solver="tsit5", rtol=1e-3)


@pytest.mark.parametrize("solve", [flow.integrate, flow.scan_stages])
class TestRefusals:
    def test_no_steps(self, solve):
        with pytest.raises(ValueError, match="at least one step, not 0"):
            solve(lambda t, x, _: x, jnp.ones(1), num_steps=0)

    def test_an_unknown_name(self, solve):
        with pytest.raises(InputError, match="runge: no such solver; there are euler"):
            solve(lambda t, x, _: x, jnp.ones(1), solver="runge")

    def test_a_solver_whose_evaluations_cannot_be_counted(self, solve):
        with pytest.raises(ValueError, match="ImplicitEuler is not an explicit"):
            solve(lambda t, x, _: x, jnp.ones(1), solver=diffrax.ImplicitEuler())
