"""Solves against SciPy, torchdiffeq and a hand-written loop."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scripts import load_script

from dehaze_jax import flow

FOLDER = pathlib.Path(__file__).parent
GOLDEN = json.loads((FOLDER / "golden" / "torchdiffeq.json").read_text())
THEIR_NAMES = {
    "euler": "euler",
    "midpoint": "midpoint",
    "heun": "heun2",
    "rk4-38": "rk4",
    "bosh3": "bosh3",
    "dopri5": "dopri5",
    "dopri8": "dopri8",
}


def linear(np, t, x):
    return np.stack([-0.5 * x[0] + 3 * x[1], -3 * x[0] - 0.5 * x[1]])


def lotka_volterra(np, t, x):
    return np.stack([x[0] * (1.1 - 0.8 * x[1]), x[1] * (0.8 * x[0] - 1.1)])


def van_der_pol(np, t, x):
    return np.stack([x[1], (1 - x[0] ** 2) * x[1] - x[0]])


def driven(np, t, x):
    return np.stack([x[1], np.sin(3 * t) - x[0] - 0.2 * x[1]])


PROBLEMS = {
    "linear": (linear, 0.0, 2.0, (1.0, 0.5)),
    "lotka_volterra": (lotka_volterra, 0.0, 3.0, (1.2, 0.7)),
    "van_der_pol": (van_der_pol, 0.0, 2.0, (2.0, 0.0)),
    "driven": (driven, 0.5, 3.5, (0.3, 0.0)),
    "backwards": (lotka_volterra, 3.0, 0.5, (1.2, 0.7)),
}
SHARES = np.array([0.25, 0.5, 0.8, 1.0])


@pytest.fixture(scope="module")
def theirs():
    """SciPy's solutions at `SHARES` of each interval."""
    return {
        name: solve_ivp(
            lambda t, x, field=field: field(np, t, x),
            (t0, t1),
            start,
            t_eval=t0 + (t1 - t0) * SHARES,
            method="DOP853",
            rtol=1e-12,
            atol=1e-12,
        ).y.T
        for name, (field, t0, t1, start) in PROBLEMS.items()
    }


def all_problems(s, states, params):
    """Every problem at once, each on its own interval, so that a solver is compiled once."""
    return {
        name: (t1 - t0) * field(jnp, t0 + (t1 - t0) * s, states[name])
        for name, (field, t0, t1, _) in PROBLEMS.items()
    }


# Steps and the error that is left, of values around 1.
FIXED = {
    "euler": (4000, 2e-2),
    "midpoint": (1000, 2e-5),
    "heun": (1000, 2e-5),
    "ralston": (1000, 2e-5),
    "rk4": (200, 1e-7),
    "rk4-38": (200, 1e-7),
    "bosh3": (400, 1e-6),
    "tsit5": (100, 1e-7),
    "dopri5": (100, 1e-7),
    "dopri8": (50, 1e-9),
}
ADAPTIVE = ("midpoint", "heun", "ralston", "bosh3", "tsit5", "dopri5", "dopri8")


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("solver", flow.SOLVERS)
def test_fixed_steps_against_scipy(solver, theirs):
    start = {name: jnp.asarray(start) for name, (*_, start) in PROBLEMS.items()}
    num_steps, error = FIXED[solver]
    x1, _ = flow.integrate(all_problems, start, solver=solver, num_steps=num_steps)
    for name in PROBLEMS:
        np.testing.assert_allclose(x1[name], theirs[name][-1], atol=error, err_msg=name)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("solver", ADAPTIVE)
def test_tolerances_and_saved_states_against_scipy(solver, theirs):
    start = {name: jnp.asarray(start) for name, (*_, start) in PROBLEMS.items()}
    states, stats = flow.integrate(
        all_problems, start, solver=solver, rtol=1e-6, atol=1e-6, save_at=SHARES, max_steps=16384
    )
    flow.check_solved(stats)
    for name in PROBLEMS:
        np.testing.assert_allclose(states[name], theirs[name], atol=2e-4, err_msg=name)


@pytest.mark.usefixtures("x64")
def test_a_problem_on_its_own_interval_backwards(theirs):
    field, t0, t1, start = PROBLEMS["backwards"]
    states, _ = flow.integrate(
        lambda t, x, _: field(jnp, t, x),
        jnp.asarray(start),
        t0=t0,
        t1=t1,
        num_steps=200,
        grid="cosine",
        save_at=t0 + (t1 - t0) * SHARES,
    )
    np.testing.assert_allclose(states, theirs["backwards"], atol=1e-6)


def torchdiffeq_solves():
    """The script that wrote the golden values."""
    return load_script("twins/torchdiffeq_solves.py")


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("solver", THEIR_NAMES)
def test_torchdiffeq(solver):
    """Fixed steps to rounding; tolerances loosely, by which each chooses steps in its own way."""
    script = torchdiffeq_solves()
    fixed = THEIR_NAMES[solver] in script.FIXED
    options = {"num_steps": script.STEPS} if fixed else {"rtol": 1e-7, "atol": 1e-7}
    x1, _ = flow.integrate(
        lambda t, x, _: jnp.stack(script.velocity(t, x, jnp.sin)),
        jnp.asarray(script.START),
        solver=solver,
        t1=script.END,
        **options,
    )
    golden = GOLDEN[THEIR_NAMES[solver]]
    np.testing.assert_allclose(x1, golden, rtol=1e-13 if fixed else 2e-4)


def test_their_rk4_is_not_the_classic_one():
    script = torchdiffeq_solves()
    with jax.enable_x64(True):
        x1, _ = flow.integrate(
            lambda t, x, _: jnp.stack(script.velocity(t, x, jnp.sin)),
            jnp.asarray(script.START),
            num_steps=script.STEPS,
            t1=script.END,
        )
    difference = np.abs(np.asarray(x1) - GOLDEN["rk4"]).max()
    assert 1e-6 < difference < 1e-3


@pytest.mark.parametrize("method", GOLDEN)
def test_golden_values_are_what_torchdiffeq_gives(method):
    pytest.importorskip("torch")
    pytest.importorskip("torchdiffeq")
    np.testing.assert_allclose(torchdiffeq_solves().solve(method), GOLDEN[method], rtol=1e-13)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("rule", ["rk4", "rk4-38"])
def test_a_hand_written_scan(rule):
    """Both of Kutta's rules written out over a grid."""
    times = 0.2 + 1.6 * flow.time_grid("power", 5)
    x0 = jnp.linspace(-1, 1, 12).reshape(2, 2, 3)

    def f(t, x):
        return jnp.tanh(2 * x) * jnp.cos(3 * t)

    def step(x, span):
        t, h = span
        k1 = f(t, x)
        if rule == "rk4":
            k2 = f(t + h / 2, x + h / 2 * k1)
            k3 = f(t + h / 2, x + h / 2 * k2)
            k4 = f(t + h, x + h * k3)
            return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None
        k2 = f(t + h / 3, x + h / 3 * k1)
        k3 = f(t + 2 * h / 3, x + h * (k2 - k1 / 3))
        k4 = f(t + h, x + h * (k1 - k2 + k3))
        return x + h / 8 * (k1 + 3 * k2 + 3 * k3 + k4), None

    by_hand, _ = jax.lax.scan(step, x0, (jnp.asarray(times[:-1]), jnp.asarray(np.diff(times))))
    x1, _ = flow.integrate(
        lambda t, x, _: f(t, x), x0, solver=rule, num_steps=5, grid="power", t0=0.2, t1=1.8
    )
    np.testing.assert_allclose(x1, by_hand, rtol=1e-13)


def test_the_gradient_needs_less_memory_than_that_of_a_scan():
    """By the compiler's account, of 16 RK4 steps through a convolution."""
    kernel, x0 = jnp.ones((3, 3, 3, 3)) / 27, jnp.ones((1, 64, 64, 3))

    def velocity(t, x, kernel):
        convolved = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jnp.tanh(convolved)

    def by_scan(kernel):
        def step(x, _):
            k1 = velocity(0, x, kernel)
            k2 = velocity(0, x + k1 / 32, kernel)
            k3 = velocity(0, x + k2 / 32, kernel)
            k4 = velocity(0, x + k3 / 16, kernel)
            return x + (k1 + 2 * k2 + 2 * k3 + k4) / 96, None

        return jnp.sum(jax.lax.scan(step, x0, length=16)[0])

    def by_integrate(kernel):
        return jnp.sum(flow.integrate(velocity, x0, kernel, num_steps=16)[0])

    programs = [jax.jit(jax.grad(loss)).lower(kernel).compile() for loss in (by_integrate, by_scan)]
    np.testing.assert_allclose(*(program(kernel) for program in programs), rtol=1e-3)
    ours, theirs = (program.memory_analysis().temp_size_in_bytes for program in programs)
    assert ours < theirs / 2
