"""Solving dx/dt = velocity(t, x, params)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from dehaze_jax.arrays import Tree
from dehaze_jax.errors import InputError
from dehaze_jax.flow import solvers
from dehaze_jax.flow.counting import CountFirstAttempts


class FlowStats(NamedTuple):
    """What a solve did; check `ok` on the host, nothing is raised inside `jit`.

    Attributes:
        ok: the solve reached the end within its limit of steps. If not, the state is worthless.
            With fixed steps it always does; values that overflowed are not looked for.
        steps: steps taken, rejected ones counted.
        nfe: evaluations of the velocity.
    """

    ok: Bool[Array, ""]
    steps: Int[Array, ""]
    nfe: Int[Array, ""]


def find_solver(solver: str | diffrax.AbstractSolver) -> diffrax.AbstractSolver:
    """A solver by its name in `SOLVERS`, or the solver itself.

    Raises:
        InputError: there is no solver of that name.
        ValueError: not an explicit Runge-Kutta method, so that evaluations cannot be counted.
    """
    if not isinstance(solver, str):
        if not isinstance(solver, (diffrax.AbstractERK, diffrax.Euler)):
            raise ValueError(f"{type(solver).__name__} is not an explicit Runge-Kutta method")
        return solver
    if solver not in solvers.SOLVERS:
        raise InputError(solver, f"no such solver; there are {', '.join(solvers.SOLVERS)}")
    return solvers.SOLVERS[solver]


def integrate(
    velocity: Callable[[Any, Tree, Any], Tree],
    x0: Tree,
    params: Any = None,
    *,
    solver: str | diffrax.AbstractSolver = "rk4",
    num_steps: int = 4,
    t0: float = 0.0,
    t1: float = 1.0,
    rtol: float | None = None,
    atol: float | None = None,
    max_steps: int = 4096,
) -> tuple[Tree, FlowStats]:
    """Solves an ODE from `t0` to `t1`, keeping only the end.

    A batch is one state: all its images share their steps. Differentiable in `x0` and `params`
    with memory for the square root of the number of steps; stays sharded if `x0` is; can be
    exported.

    Args:
        velocity: the field.
        x0: state at `t0`, a pytree of arrays.
        params: handed to the velocity.
        solver: a name in `SOLVERS` or an explicit Runge-Kutta solver of diffrax.
        num_steps: equal steps; with tolerances, the number that the first step is chosen by.
        t0: start.
        t1: end; before `t0` for a solve backwards.
        rtol: relative tolerance. If given (with `atol`), steps are chosen by the solver's estimate
            of its error.
        atol: absolute tolerance.
        max_steps: with tolerances, the solve gives up after so many steps.

    Returns:
        The state at `t1`, and what the solve did.

    Raises:
        InputError: an unknown solver.
        ValueError: no steps, one tolerance without the other, a solver that is not an explicit
            Runge-Kutta method, or tolerances for one without an error estimate, with which every
            step would be accepted silently.
    """
    method = find_solver(solver)
    if num_steps < 1:
        raise ValueError(f"a solve needs at least one step, not {num_steps}")
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol are given together or not at all")
    if rtol is None or atol is None:
        controller, limit = diffrax.ConstantStepSize(), num_steps
    else:
        if not solvers.has_error_estimate(method):
            raise ValueError(f"{type(method).__name__} has no error estimate: fixed steps only")
        controller = CountFirstAttempts(diffrax.PIDController(rtol=rtol, atol=atol))
        limit = max_steps
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),  # pyright: ignore[reportArgumentType]
        method,
        t0,
        t1,
        (t1 - t0) / num_steps,
        x0,
        args=params,
        stepsize_controller=controller,
        saveat=diffrax.SaveAt(t1=True, controller_state=rtol is not None),
        max_steps=limit,
        # Raising inside a compiled solve gathers a sharded batch on every device.
        throw=False,
    )
    x1 = jax.tree.map(lambda leaf: leaf[-1], solution.ys)
    steps = jnp.asarray(solution.stats["num_steps"], jnp.int32)
    ok = solution.result == diffrax.RESULTS.successful
    # The state is None with fixed steps: the first one is accepted at once.
    first_attempts = solution.controller_state[1] if solution.controller_state else 1
    nfe = solvers.evaluations(method, steps, first_attempts=first_attempts)
    return x1, FlowStats(ok=jnp.asarray(ok), steps=steps, nfe=jnp.asarray(nfe, jnp.int32))
