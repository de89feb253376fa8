"""Recording and replaying stages. That states agree with `integrate` is in test_flow_solve.py."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import flow
from dehaze_jax.flow.solvers import coefficients


def driver(t, x, _):
    slope = jnp.sin(3 * t) - x
    return slope, {"slope": slope, "state": x, "time": jnp.asarray(t, jnp.float32)}


@pytest.mark.parametrize("unroll", [False, True])
def test_replaying_a_record_gives_the_same_state(unroll):
    x0 = jnp.linspace(0, 1, 5)
    options = {"solver": "rk4", "num_steps": 3, "t0": 0.25, "t1": 1.5, "unroll": unroll}
    x1, records = jax.jit(lambda x: flow.scan_stages(driver, x, **options))(x0)
    again, _ = jax.jit(
        lambda x, controls: flow.scan_stages(
            lambda t, x, c: (c["slope"], None), x, controls, **options
        )
    )(x0, records)
    np.testing.assert_allclose(again, x1, rtol=1e-6, atol=1e-7)
    starts = 0.25 + 1.25 / 3 * np.arange(3)
    times = starts[:, None] + 1.25 / 3 * np.array([0, 0.5, 0.5, 1])
    np.testing.assert_allclose(records["time"], times, rtol=1e-6)
    np.testing.assert_allclose(records["state"][0, 0], x0)
    np.testing.assert_allclose(
        records["slope"], np.sin(3 * times)[..., None] - records["state"], atol=1e-6
    )


@pytest.mark.parametrize("solver", ["euler", "heun", "tsit5"])
def test_unrolled_equals_the_loop(solver):
    x0 = jnp.linspace(0, 1, 5)
    loop, unrolled = (
        jax.jit(
            lambda x, unroll=unroll: flow.scan_stages(
                driver, x, solver=solver, num_steps=2, unroll=unroll
            )
        )(x0)
        for unroll in (False, True)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), loop, unrolled)


@pytest.mark.usefixtures("x64")
def test_a_driven_solve_is_the_joint_one():
    """y' = u y with u' = -u: y driven by the record of u, against both solved together."""
    u0, y0 = jnp.asarray([1.0, 2.0]), jnp.asarray([0.3, 0.4])
    _, records = flow.scan_stages(lambda t, u, _: (-u, u), u0, num_steps=2)
    driven, _ = flow.scan_stages(lambda t, y, u: (u * y, None), y0, records, num_steps=2)
    (_, joint), _ = flow.integrate(lambda t, s, _: (-s[0], s[0] * s[1]), (u0, y0), num_steps=2)
    np.testing.assert_allclose(driven, joint, rtol=1e-14)


@pytest.mark.parametrize("solver", flow.SOLVERS)
def test_only_stages_with_an_effect_are_evaluated(solver):
    calls = collections.Counter()

    def velocity(t, x, _):
        jax.debug.callback(lambda: calls.update(["velocity"]))
        return -x, None

    jax.block_until_ready(flow.scan_stages(velocity, jnp.ones(2), solver=solver, num_steps=2))
    jax.effects_barrier()
    table = coefficients(flow.SOLVERS[solver])
    assert calls["velocity"] == 2 * len(table.times) == 2 * len(table.lower)
    assert table.weights[-1] != 0
