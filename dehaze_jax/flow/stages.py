"""Fixed-step solves whose stages can be looked into.

`integrate` tells nothing of what happened inside. A *driven* ODE needs more: its velocity uses, at
every stage, something that another solve with the same steps computed at that stage. The same scan
records (the velocity returns what is to be kept) and replays (the velocity is handed what was).
"""

from collections.abc import Callable
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from dehaze_jax.arrays import Tree
from dehaze_jax.flow.grids import step_times
from dehaze_jax.flow.solve import find_solver
from dehaze_jax.flow.solvers import coefficients


def scan_stages(
    velocity: Callable[[Any, Tree, Tree], tuple[Tree, Tree]],
    x0: Tree,
    controls: Tree = None,
    *,
    solver: str | diffrax.AbstractSolver = "rk4",
    num_steps: int = 4,
    grid: str | ArrayLike = "uniform",
    t0: float = 0.0,
    t1: float = 1.0,
    unroll: bool = False,
) -> tuple[Tree, Tree]:
    """Solves an ODE with an explicit Runge-Kutta method, stage by stage.

    The state agrees with `integrate` for the same solver and steps. The velocity is evaluated once
    for each of the `coefficients` of a step; steps share no evaluation.

    Args:
        velocity: `velocity(t, x, control)` returns the velocity and what is to be recorded.
        x0: state at `t0`.
        controls: for each step and stage what the velocity is handed: leaves
            `[num_steps, stages, ...]`; None for a velocity that needs nothing.
        solver: a name in `SOLVERS` or an explicit Runge-Kutta solver of diffrax.
        num_steps: steps.
        grid: where they end: a kind of `time_grid`, or `num_steps + 1` shares of the way from `t0`
            to `t1` that increase from 0 to 1.
        t0: start.
        t1: end; before `t0` for a solve backwards.
        unroll: writes all steps and stages out instead of looping over them. On CPUs XLA makes the
            gradient of a network several times faster so; but it fuses pointwise work over several
            stages such that each stage computes all earlier ones anew.

    Returns:
        The state at `t1`, and the records of all stages, leaves `[num_steps, stages, ...]`.

    Raises:
        InputError: an unknown solver or grid.
        ValueError: no steps, a grid of another number of steps, no interval to solve on, or a
            solver that is not an explicit Runge-Kutta method.
    """
    table = coefficients(find_solver(solver))
    times = step_times(grid, num_steps, t0, t1)
    solve = _unrolled if unroll else _looped
    return solve(velocity, x0, controls, table, times[:-1], np.diff(times))


def _unrolled(velocity, x, controls, table, starts, sizes):
    def combine(x, slopes, weights, dt):
        for slope, weight in zip(slopes, weights, strict=True):
            if weight:
                scale = dt * weight
                x = jax.tree.map(lambda a, k, scale=scale: a + scale * k, x, slope)
        return x

    records = []
    for step, (start, dt) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True)):
        slopes = []
        for stage, (offset, lower) in enumerate(zip(table.times, table.lower, strict=True)):
            control = jax.tree.map(lambda leaf, at=(step, stage): leaf[at], controls)
            t = jnp.asarray(start + dt * offset)
            slope, record = velocity(t, combine(x, slopes, lower, dt), control)
            slopes.append(slope)
            records.append(record)
        x = combine(x, slopes, table.weights, dt)

    def stack(*leaves):
        stacked = jnp.stack(leaves)
        return stacked.reshape(len(starts), len(table.times), *stacked.shape[1:])

    return x, jax.tree.map(stack, *records)


def _looped(velocity, x0, controls, table, starts, sizes):
    stages = len(table.times)
    lower = np.zeros((stages, stages))
    for row, weights in enumerate(table.lower):
        lower[row, :row] = weights
    rows = jnp.arange(stages), jnp.asarray(table.times), jnp.asarray(lower)

    def combine(x, slopes, weights, dt):
        def leaf(first, ks):
            # In full precision: GPUs would round the products to ten bits.
            total = jnp.tensordot(weights.astype(ks.dtype), ks, axes=1, precision="highest")
            return first + dt.astype(ks.dtype) * total

        return jax.tree.map(leaf, x, slopes)

    def step(x, inputs):
        start, dt, controls_of_step = inputs

        def stage(slopes, inputs):
            (index, offset, weights), control = inputs
            state = combine(x, slopes, weights, dt)
            slope, record = velocity(start + dt * offset, state, control)
            keep = jax.tree.map(lambda all_, one: all_.at[index].set(one), slopes, slope)
            return keep, record

        slopes = jax.tree.map(lambda leaf: jnp.zeros((stages, *leaf.shape), leaf.dtype), x)
        slopes, records = jax.lax.scan(stage, slopes, (rows, controls_of_step))
        return combine(x, slopes, jnp.asarray(table.weights), dt), records

    return jax.lax.scan(step, x0, (jnp.asarray(starts), jnp.asarray(sizes), controls))
