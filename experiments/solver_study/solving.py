"""One solve: compiled, timed, counted."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from solver_study.config import StudyConfig

from dehaze_jax import flow


@dataclasses.dataclass(frozen=True)
class Setting:
    """How an ODE is solved: equal steps, or steps chosen by tolerance.

    Attributes:
        solver: name in `flow.SOLVERS`.
        steps: number of equal steps.
        tolerance: rtol and atol; the first step that is tried is the whole way.
    """

    solver: str
    steps: int | None = None
    tolerance: float | None = None

    @property
    def adaptive(self) -> bool:
        """Whether steps are chosen by tolerance."""
        return self.tolerance is not None


class Problem(NamedTuple):
    """What `flow.integrate` solves from t = 0 to t = 1."""

    velocity: Callable
    x0: Any
    params: Any


class Program(NamedTuple):
    """A compiled solve; memory in bytes, None where the backend does not tell."""

    run: Callable
    compile_seconds: float
    scratch_bytes: int | None
    peak_bytes: int | None


def settings(config: StudyConfig) -> list[Setting]:
    """Every solver with every number of steps, and with every tolerance if it can."""
    fixed = [Setting(name, steps=n) for name in config.solvers for n in config.steps]
    adaptive = [
        Setting(name, tolerance=tolerance)
        for name in config.solvers
        if flow.has_error_estimate(flow.SOLVERS[name])
        for tolerance in config.tolerances
    ]
    return fixed + adaptive


def order(solver: str) -> int:
    """The order that a solver is known for."""
    return flow.SOLVERS[solver].order(None) or 0


class Programs:
    """Compiled solves. Problems of the same velocity and shapes share theirs.

    Args:
        max_steps: with tolerances, a solve gives up after so many steps.
    """

    def __init__(self, max_steps: int):
        self._max_steps = max_steps
        self._known: dict[Any, Program] = {}

    def __len__(self):
        """Number of programs compiled so far."""
        return len(self._known)

    def find(self, problem: Problem, setting: Setting, **options: Any) -> Program:
        """The program of a problem, compiled at the first call.

        Args:
            problem: what is solved.
            setting: how.
            options: further ones of `flow.integrate`.
        """
        leaves, structure = jax.tree.flatten(problem.velocity)
        shapes = [(leaf.shape, leaf.dtype.name) for leaf in jax.tree.leaves(problem[1:])]
        # One program for all tolerances.
        how = (setting.solver, setting.steps, setting.adaptive)
        key = (*leaves, structure, *shapes, *how, *options.items())
        if key not in self._known:
            self._known[key] = _compile(problem, setting, self._max_steps, options)
        program, tolerance = self._known[key], _tolerance(setting)
        return program._replace(run=lambda x0, params: program.run(x0, params, tolerance))


def solve(
    program: Program, problem: Problem, *, repeats: int, seconds: float
) -> tuple[Any, flow.FlowStats, float]:
    """Runs a program until its time is known.

    Args:
        program: of this problem.
        problem: what is solved.
        repeats: warm runs at most; at least one.
        seconds: no further one after so long.

    Returns:
        The state at t = 1, what the solve did, and the median time of a warm run.
    """

    def timed():
        start = time.perf_counter()
        result = jax.block_until_ready(program.run(problem.x0, problem.params))
        return result, time.perf_counter() - start

    (end, stats), _ = timed()
    times: list[float] = []
    while not times or (len(times) < repeats and sum(times) < seconds):
        times.append(timed()[1])
    return end, stats, statistics.median(times)


def _tolerance(setting: Setting) -> jax.Array:
    return jnp.asarray(setting.tolerance or 0.0, float)


def _compile(
    problem: Problem, setting: Setting, max_steps: int, options: dict[str, Any]
) -> Program:
    def run(x0, params, tolerance):
        steps: dict[str, Any] = {"num_steps": setting.steps}
        if setting.adaptive:
            steps = {"num_steps": 1, "rtol": tolerance, "atol": tolerance, "max_steps": max_steps}
        return flow.integrate(
            problem.velocity, x0, params, solver=setting.solver, **steps, **options
        )

    start = time.perf_counter()
    arguments = problem.x0, problem.params, _tolerance(setting)
    compiled = jax.jit(run, keep_unused=True).lower(*arguments).compile()
    seconds = time.perf_counter() - start
    memory = compiled.memory_analysis()
    if memory is None:
        return Program(compiled, seconds, None, None)
    scratch = memory.temp_size_in_bytes
    peak = scratch + memory.argument_size_in_bytes + memory.output_size_in_bytes
    return Program(compiled, seconds, scratch, peak)
