"""Gradients of solves: adjoints against each other and against finite differences."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import flow
from dehaze_jax.errors import InputError

GRID = {"solver": "rk4", "num_steps": 12, "grid": "cosine"}
TOLERANCES = {"solver": "tsit5", "rtol": 1e-9, "atol": 1e-9, "max_steps": 64}
INPUTS = (jnp.array([1.2, 0.7]), jnp.array([1.1, 0.8]))


def lotka_volterra(t, x, params):
    hare, lynx = x
    growth, bite = params
    return jnp.stack(
        [hare * (growth - bite * lynx) + 0.1 * jnp.sin(3 * t), lynx * (bite * hare - growth)]
    )


def total_of(**options):
    def total(x0, params):
        states, _ = flow.integrate(lotka_volterra, x0, params, **options)
        return jnp.sum(states[..., 0] ** 2 + states[..., 1])

    return jax.jit(total)


def finite_differences(total, x0, params, step=1e-6):
    slopes = []
    for unit in np.eye(4).reshape(4, 2, 2) * step:
        above, below = total(x0 + unit[0], params + unit[1]), total(x0 - unit[0], params - unit[1])
        slopes.append((above - below) / (2 * step))
    return np.reshape(slopes, (2, 2))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("adjoint", flow.ADJOINTS)
@pytest.mark.parametrize("options", [GRID, TOLERANCES], ids=["grid", "tolerances"])
def test_every_adjoint_equals_finite_differences(adjoint, options):
    x0, params = (value.astype(float) for value in INPUTS)
    total = total_of(adjoint=adjoint, **options)
    differentiate = jax.jacfwd if adjoint == "forward" else jax.grad
    gradient = jax.jit(differentiate(total, argnums=(0, 1)))(x0, params)
    # The continuous adjoint is an ODE of its own, whose solution has its own error.
    rtol = 2e-4 if adjoint == "backsolve" and "rtol" not in options else 1e-6
    np.testing.assert_allclose(gradient, finite_differences(total, x0, params), rtol=rtol)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("adjoint", ["checkpoint", "backsolve"])
def test_gradient_through_saved_states(adjoint):
    x0, params = (value.astype(float) for value in INPUTS)
    total = total_of(adjoint=adjoint, save_at=np.array([0.0, 0.33, 0.7]), num_steps=12)
    gradient = jax.jit(jax.grad(total, argnums=(0, 1)))(x0, params)
    rtol = 2e-4 if adjoint == "backsolve" else 1e-6
    np.testing.assert_allclose(gradient, finite_differences(total, x0, params), rtol=rtol)


@pytest.mark.parametrize("adjoint", flow.ADJOINTS)
def test_the_adjoint_changes_neither_state_nor_count(adjoint):
    calls = collections.Counter()

    def velocity(t, x, params):
        jax.debug.callback(lambda: calls.update(["velocity"]))
        return lotka_volterra(t, x, params)

    options = {"solver": "tsit5", "rtol": 1e-4, "atol": 1e-4, "max_steps": 16}
    x1, stats = flow.integrate(velocity, *INPUTS, adjoint=adjoint, **options)
    jax.block_until_ready(x1)
    jax.effects_barrier()
    assert int(stats.nfe) == calls["velocity"]
    np.testing.assert_allclose(x1, flow.integrate(lotka_volterra, *INPUTS, **options)[0], rtol=1e-6)


def test_refuses_an_unknown_adjoint():
    with pytest.raises(InputError, match="implicit: no such adjoint; there are checkpoint"):
        flow.integrate(lotka_volterra, *INPUTS, adjoint="implicit")
