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

from dehaze_jax.arrays import Tree
from dehaze_jax.flow.solve import find_solver
from dehaze_jax.flow.solvers import coefficients


def scan_stages(
    velocity: Callable[[Any, Tree, Tree], tuple[Tree, Tree]],
    x0: Tree,
    controls: Tree = None,
    *,
    solver: str | diffrax.AbstractSolver = "rk4",
    num_steps: int = 4,
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
        num_steps: equal steps.
        t0: start.
        t1: end.
        unroll: writes all steps and stages out instead of looping over them. On CPUs XLA makes the
            gradient of a network several times faster so; but it fuses pointwise work over several
            stages such that each stage computes all earlier ones anew.

    Returns:
        The state at `t1`, and the records of all stages, leaves `[num_steps, stages, ...]`.

    Raises:
        InputError: an unknown solver.
        ValueError: no steps, or a solver that is not an explicit Runge-Kutta method.
    """
    table = coefficients(find_solver(solver))
    if num_steps < 1:
        raise ValueError(f"a solve needs at least one step, not {num_steps}")
    dt = (t1 - t0) / num_steps
    if unroll:
        return _unrolled(velocity, x0, controls, table, num_steps, t0, dt)
    return _looped(velocity, x0, controls, table, num_steps, t0, dt)


def _unrolled(velocity, x, controls, table, num_steps, t0, dt):
    def combine(x, slopes, weights):
        for slope, weight in zip(slopes, weights, strict=True):
            if weight:
                scale = dt * weight
                x = jax.tree.map(lambda a, k, scale=scale: a + scale * k, x, slope)
        return x

    records = []
    for step in range(num_steps):
        slopes = []
        for stage, (offset, lower) in enumerate(zip(table.times, table.lower, strict=True)):
            control = jax.tree.map(lambda leaf, at=(step, stage): leaf[at], controls)
            t = jnp.asarray(t0 + dt * (step + offset))
            slope, record = velocity(t, combine(x, slopes, lower), control)
            slopes.append(slope)
            records.append(record)
        x = combine(x, slopes, table.weights)

    def stack(*leaves):
        stacked = jnp.stack(leaves)
        return stacked.reshape(num_steps, len(table.times), *stacked.shape[1:])

    return x, jax.tree.map(stack, *records)


def _looped(velocity, x0, controls, table, num_steps, t0, dt):
    stages = len(table.times)
    lower = np.zeros((stages, stages))
    for row, weights in enumerate(table.lower):
        lower[row, :row] = weights
    rows = jnp.arange(stages), jnp.asarray(table.times), jnp.asarray(lower)

    def combine(x, slopes, weights):
        def leaf(first, ks):
            # In full precision: GPUs would round the products to ten bits.
            total = jnp.tensordot(weights.astype(ks.dtype), ks, axes=1, precision="highest")
            return first + dt * total

        return jax.tree.map(leaf, x, slopes)

    def step(x, inputs):
        start, controls_of_step = inputs

        def stage(slopes, inputs):
            (index, offset, weights), control = inputs
            slope, record = velocity(start + dt * offset, combine(x, slopes, weights), control)
            keep = jax.tree.map(lambda all_, one: all_.at[index].set(one), slopes, slope)
            return keep, record

        slopes = jax.tree.map(lambda leaf: jnp.zeros((stages, *leaf.shape), leaf.dtype), x)
        slopes, records = jax.lax.scan(stage, slopes, (rows, controls_of_step))
        return combine(x, slopes, jnp.asarray(table.weights)), records

    starts = t0 + dt * jnp.arange(num_steps, dtype=float)
    return jax.lax.scan(step, x0, (starts, controls))
