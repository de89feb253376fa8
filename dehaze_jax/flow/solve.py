"""Solving dx/dt = velocity(t, x, params)."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.tree_util import Partial
from jax.typing import DTypeLike
from jaxtyping import Array, ArrayLike, Float

from dehaze_jax.arrays import Tree
from dehaze_jax.errors import InputError
from dehaze_jax.flow import fields, solvers
from dehaze_jax.flow.controllers import CountFirstAttempts, StepThrough
from dehaze_jax.flow.grids import step_times
from dehaze_jax.flow.stats import FlowStats

Tolerance: TypeAlias = float | Float[Array, ""]

ADJOINTS: Mapping[str, diffrax.AbstractAdjoint] = MappingProxyType(
    {
        "checkpoint": diffrax.RecursiveCheckpointAdjoint(),
        "direct": diffrax.DirectAdjoint(),
        "backsolve": diffrax.BacksolveAdjoint(),
        "forward": diffrax.ForwardMode(),
    }
)


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
    grid: str | ArrayLike = "uniform",
    t0: float = 0.0,
    t1: float = 1.0,
    rtol: Tolerance | None = None,
    atol: Tolerance | None = None,
    max_steps: int = 4096,
    per_sample: bool = False,
    save_at: ArrayLike | None = None,
    adjoint: str = "checkpoint",
    compute_dtype: DTypeLike | None = None,
    straightness: bool = False,
) -> tuple[Tree, FlowStats]:
    """Solves an ODE from `t0` to `t1`, with given steps or steps chosen by their error.

    Steps are given by `num_steps` and `grid`. If `rtol` and `atol` are given, they are chosen by
    the solver's estimate of its error instead: of the root mean square over the state of
    error / (atol + rtol |x|), below 1 for an accepted step. A batch is one state: the mean runs
    over all images, which share their steps, so that one difficult image among many easy ones is
    solved less accurately than it would be alone. With `per_sample` each image has its own mean
    and its own steps; a compiled batch then runs until its slowest image is done.

    Sharded input stays sharded and is never gathered. Can be exported, except with `save_at`, whose
    times diffrax checks by a call to Python that never fails here.

    Adjoints: `checkpoint` goes backwards through the steps and keeps in memory as many states as
    the square root of twice the number of steps (of `max_steps` with tolerances). `direct` gives
    the same and can also be differentiated forwards; with tolerances it costs as if all of
    `max_steps` were taken. `forward` can be differentiated forwards only. `backsolve` solves the
    adjoint ODE backwards in constant memory, with gradients only as exact as that solve, and
    with respect to `x0` and `params` alone, not to what the velocity closes over.

    Args:
        velocity: the field.
        x0: state at `t0`, a pytree of arrays. Types below that of time are raised to it: float32,
            or float64 under 64-bit arithmetic.
        params: handed to the velocity.
        solver: a name in `SOLVERS` or an explicit Runge-Kutta solver of diffrax.
        num_steps: steps; with tolerances, the number that the first step is chosen by.
        grid: where the steps end: a kind of `time_grid`, or `num_steps + 1` shares of the way from
            `t0` to `t1` that increase from 0 to 1. With tolerances, `uniform`.
        t0: start.
        t1: end; before `t0` for a solve backwards.
        rtol: relative tolerance, positive, given together with `atol`; may be traced.
        atol: absolute tolerance, positive; may be traced.
        max_steps: with tolerances, the solve gives up after so many steps.
        per_sample: leaves count the images on their first axis, and each image is solved for
            itself: `velocity` is called with batches of one and must not mix images; statistics are
            one an image, of the steps that it needed.
        save_at: times, in order from `t0` to `t1`, at which the state is returned: the state itself
            at the end of a step, else the solver's own interpolation between two ends. It is as
            accurate in the size of the steps as the solver (straight lines for `euler`), but of
            order 3 for `rk4-38` and 6 for `dopri8`.
        adjoint: how it is differentiated, a name in `ADJOINTS`.
        compute_dtype: type that the velocity sees state and parameters in, for example bfloat16.
            Time, the state that is summed up, and the error stay in the state's type.
        straightness: also computes `FlowStats.straightness`, with the solver's own quadrature. It
            costs a mean over the pixels an evaluation and changes no step. The leaves count the
            images on their first axis.

    Returns:
        The state at `t1`, or at the times of `save_at` along a new first axis; and what the solve
        did.

    Raises:
        InputError: an unknown solver, grid or adjoint; tolerances for a solver without an error
            estimate, with which every step would be accepted silently.
        ValueError: no steps, a grid of another number of steps, no interval to solve on, a
            tolerance that is not positive, alone or with a grid, times to save out of order, a
            state without an axis of images where one is needed, or a solver that is not an explicit
            Runge-Kutta method.
    """
    method = find_solver(solver)
    times = step_times(grid, num_steps, t0, t1)
    uniform = isinstance(grid, str) and grid == "uniform"
    tolerances = _checked_tolerances(solver, rtol, atol, uniform)
    if max_steps < 1:
        raise ValueError(f"a solve needs at least one step, not max_steps = {max_steps}")
    save_times = None if save_at is None else _checked_save_times(save_at, t0, t1)
    if t0 != 0:
        # Late times are rounded so coarsely that diffrax loses steps among them.
        velocity = fields.from_its_start(velocity, t0)
        times, t1 = times - t0, t1 - t0
        save_times = None if save_times is None else save_times - t0
    if compute_dtype is not None:
        velocity = fields.computed_in(velocity, compute_dtype)
    solve = partial(
        _solve,
        velocity,
        params=params,
        method=method,
        t1=t1,
        times=times,
        tolerances=tolerances,
        max_steps=max_steps,
        save_at=save_times,
        adjoint=_find_adjoint(adjoint, tolerances),
        straightness=straightness,
    )
    x0 = jax.tree.map(jnp.asarray, x0)
    if not per_sample:
        return solve(x0)
    fields.check_batched(x0)
    axis = 0 if save_at is None else 1

    def solve_one(image):
        states, stats = solve(jax.tree.map(lambda leaf: leaf[None], image))
        if stats.straightness is not None:
            stats = stats._replace(straightness=stats.straightness[0])
        return jax.tree.map(lambda leaf: jnp.squeeze(leaf, axis), states), stats

    return jax.vmap(solve_one, out_axes=(axis, 0))(x0)


def _solve(
    velocity,
    x0,
    *,
    params,
    method,
    t1,
    times,
    tolerances,
    max_steps,
    save_at,
    adjoint,
    straightness,
):
    """One call of diffrax, from t = 0, and what is made of its solution."""
    num_steps = len(times) - 1
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(fields.with_energy(velocity) if straightness else velocity),
        method,
        0.0,
        t1,
        t1 / num_steps,
        fields.with_no_energy(x0) if straightness else x0,
        args=params,
        stepsize_controller=_controller(times, tolerances, straightness),
        saveat=diffrax.SaveAt(t1=True, ts=save_at, controller_state=tolerances is not None),
        adjoint=adjoint,
        max_steps=max_steps if tolerances else num_steps,
        # Raising inside a compiled solve gathers a sharded batch on every device.
        throw=False,
    )
    states: Any = solution.ys
    measured = None
    if straightness:
        states, energy = states
        ends = jax.tree.map(lambda leaf, first: leaf[-1] - first.astype(leaf.dtype), states, x0)
        # Both terms change their sign with the direction of time.
        excess = energy[-1] - fields.mean_square(ends) / t1
        measured = excess if t1 > 0 else -excess
    states = jax.tree.map(lambda leaf: leaf[-1] if save_at is None else leaf[:-1], states)
    return states, _stats(solution, method, measured)


def _stats(solution, method, straightness):
    steps, accepted, rejected = (
        jnp.asarray(solution.stats[f"num_{which}steps"], jnp.int32)
        for which in ("", "accepted_", "rejected_")
    )
    # The state is None with fixed steps: the first one is accepted at once.
    first_attempts = solution.controller_state[1] if solution.controller_state else 1
    nfe = solvers.evaluations(method, steps, first_attempts=first_attempts)
    return FlowStats(
        ok=jnp.asarray(solution.result == diffrax.RESULTS.successful),
        steps=steps,
        accepted=accepted,
        rejected=rejected,
        nfe=jnp.asarray(nfe, jnp.int32),
        straightness=straightness,
    )


def _controller(times, tolerances, straightness):
    if tolerances:
        pid = diffrax.PIDController(*tolerances)
        if straightness:
            pid = diffrax.PIDController(*tolerances, norm=Partial(_norm_of_state, pid.norm))
        return CountFirstAttempts(pid)
    # Not by adding up equal steps, whose rounding can make one too many or too few.
    return StepThrough(jnp.asarray(times))


def _norm_of_state(norm, state_and_energy):
    """The error of a state alone, so that measuring its energy changes no step."""
    return norm(state_and_energy[0])


def _find_adjoint(name, tolerances):
    if name not in ADJOINTS:
        raise InputError(name, f"no such adjoint; there are {', '.join(ADJOINTS)}")
    if name == "backsolve" and tolerances:
        # Backwards the state is another one, whose error counts as a whole.
        return diffrax.BacksolveAdjoint(stepsize_controller=diffrax.PIDController(*tolerances))
    return ADJOINTS[name]


def _checked_tolerances(solver, rtol, atol, uniform):
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol are given together or not at all")
    if rtol is None:
        return None
    if not solvers.has_error_estimate(find_solver(solver)):
        name = solver if isinstance(solver, str) else type(solver).__name__
        raise InputError(name, "has no error estimate: fixed steps only")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not isinstance(value, Tracer) and not 0 < value < np.inf:
            raise ValueError(f"{name} has to be positive, not {value}")
    if not uniform:
        raise ValueError("steps are given by a grid or chosen by tolerances, not both")
    return rtol, atol


def _checked_save_times(save_at, t0, t1):
    times = np.asarray(save_at, np.float64)
    passed = np.concatenate([[t0], np.atleast_1d(times), [t1]])
    if times.ndim != 1 or not times.size or not (np.diff(passed) * np.sign(t1 - t0) >= 0).all():
        raise ValueError(f"times to save at run from {t0} to {t1} in order: {save_at}")
    return times
