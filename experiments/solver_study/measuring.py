"""All solves of one field, as rows of the table of results."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from solver_study.config import StudyConfig
from solver_study.fields import Field
from solver_study.solving import Programs, Setting, settings, solve

from dehaze_jax import metrics

PROTOCOL = "rgb-full"
_STRIP_SOLVERS = ("euler", "rk4")
_FLOOR = 10
"""An order is told from errors this much above the reference's own."""
_ROUNDING = 16
"""Bound of the rounding errors of a solve, in units of the last place."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One solve of one field."""

    field: str
    kind: str
    solver: str
    mode: str
    """`fixed` or `adaptive`."""
    steps: int
    """Attempted, rejected ones counted."""
    tolerance: float | None
    accepted: int
    rejected: int
    nfe: int
    """Evaluations of the field."""
    ok: bool
    error: float
    """Root mean square over the pictures of end minus reference; infinite if not `ok`."""
    order: float | None
    """log2 of the error with half as many steps over this one; None below the reference's own."""
    psnr: float | None
    """dB against the clear pictures, mean over them, protocol `rgb-full`; so are the next two."""
    ssim: float | None
    ciede2000: float | None
    seconds: float
    """Median of warm runs, all pictures at once."""
    compile_seconds: float
    """Tracing and compiling."""
    scratch_megabytes: float | None
    """Memory of intermediate values, by the compiler's account."""
    peak_megabytes: float | None
    """The same with arguments and results."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """Everything about one field.

    Attributes:
        field: the field.
        rows: its solves.
        reference: what the errors are against, in words.
        reference_error: bound of the reference's own error, as `Row.error`.
        displacement: root mean square of the way from start to end.
        bend: S of `flow.FlowStats` as a share of the mean square displacement, both of the whole
            state, which for a trained field is the proxy and the pictures; 0 for a straight line.
        hazy: scores of the untouched pictures, of a trained field.
        solved: those of the reference.
        strips: the first picture by solver and steps.
    """

    field: Field
    rows: Sequence[Row]
    reference: str
    reference_error: float
    displacement: float
    bend: float
    hazy: dict[str, float]
    solved: dict[str, float]
    strips: dict[tuple[str, int], np.ndarray]


def measure_field(
    field: Field, config: StudyConfig, programs: Programs, advance: Callable[[], None]
) -> Result:
    """Solves a field in every way; analytic fields in double precision.

    Raises:
        RuntimeError: the reference is not finite.
    """
    precision = jax.enable_x64(True) if field.exact is not None else contextlib.nullcontext()
    with precision:
        return _measure(field, config, programs, advance)


def scores(restored: Any, clear: np.ndarray) -> dict[str, float]:
    """Mean scores of a batch under the protocol of the study."""
    values = metrics.score(PROTOCOL, jnp.asarray(restored), jnp.asarray(clear))
    return {name: float(jnp.mean(value)) for name, value in values.items()}


def rms(difference: Any) -> float:
    """Root mean square in double precision."""
    return float(np.sqrt(np.mean(np.square(np.asarray(difference, np.float64)))))


def _measure(field, config, programs, advance):
    reference, reference_error, words, bend = _reference(field, config, programs)
    rows, strips, errors = [], {}, {}
    for setting in settings(config):
        program = programs.find(field.problem, setting)
        end, stats, seconds = solve(
            program, field.problem, repeats=config.repeats, seconds=config.repeat_seconds
        )
        picture = np.asarray(field.picture(end))
        finite = bool(stats.ok) and bool(np.isfinite(picture).all())
        error = rms(picture - reference) if finite else math.inf
        observed = None
        if setting.steps is not None:
            errors[setting.solver, setting.steps] = error
            coarser = errors.get((setting.solver, setting.steps // 2), math.nan)
            observed = _order(coarser, error, _FLOOR * reference_error)
        scored = scores(picture, field.pairs.clear) if field.pairs and finite else {}
        rows.append(_row(field, setting, program, stats, error, observed, scored, seconds))
        if setting.solver in _STRIP_SOLVERS and setting.steps in config.strip_steps:
            strips[setting.solver, setting.steps] = picture[0]
        advance()
    pairs = field.pairs
    return Result(
        field=field,
        rows=rows,
        reference=words,
        reference_error=reference_error,
        displacement=rms(reference - np.asarray(field.picture(field.problem.x0))),
        bend=bend,
        hazy=scores(pairs.hazy, pairs.clear) if pairs else {},
        solved=scores(reference, pairs.clear) if pairs else {},
        strips=strips,
    )


def _reference(field, config, programs):
    """The end that errors are against, a bound of its own error, words for both, the bend."""
    problem = field.problem
    fine = Setting("dopri8", steps=config.reference_steps)
    program = programs.find(problem, fine, straightness=True)
    end, stats = program.run(problem.x0, problem.params)
    # Rounding errors may put S below zero.
    bend = max(float(np.mean(stats.straightness)), 0.0) / _mean_square_way(problem.x0, end)
    end = np.asarray(field.picture(end))
    if field.exact is not None:
        bound = _ROUNDING * rms(field.exact) * np.finfo(np.float64).eps
        return field.exact, float(bound), "closed form, double precision", bend
    check = Setting("rk4", steps=config.check_steps)
    other, _ = programs.find(problem, check).run(problem.x0, problem.params)
    if not np.isfinite(end).all():
        raise RuntimeError(f"{field.name}: the reference is not finite")
    words = f"dopri8, {fine.steps} steps; checked by rk4, {check.steps} steps"
    return end, rms(end - np.asarray(field.picture(other))), words, bend


def _mean_square_way(start, end) -> float:
    """Mean over all values of a state, as S is."""
    ways = [
        np.asarray(b, float) - a for a, b in zip(*map(jax.tree.leaves, (start, end)), strict=True)
    ]
    return float(sum(np.sum(way**2) for way in ways) / sum(way.size for way in ways))


def _order(coarser: float, error: float, floor: float) -> float | None:
    """Order told by the errors of n / 2 and n steps."""
    if not (floor < error < math.inf and floor < coarser < math.inf):
        return None
    return math.log2(coarser / error)


def _row(field, setting, program, stats, error, observed, scored, seconds):
    def megabytes(count):
        return None if count is None else count / 1e6

    return Row(
        field=field.name,
        kind=field.kind,
        solver=setting.solver,
        mode="fixed" if setting.tolerance is None else "adaptive",
        steps=int(stats.steps),
        tolerance=setting.tolerance,
        accepted=int(stats.accepted),
        rejected=int(stats.rejected),
        nfe=int(stats.nfe),
        ok=bool(stats.ok),
        error=error,
        order=observed,
        psnr=scored.get("psnr"),
        ssim=scored.get("ssim"),
        ciede2000=scored.get("ciede2000"),
        seconds=seconds,
        compile_seconds=program.compile_seconds,
        scratch_megabytes=megabytes(program.scratch_bytes),
        peak_megabytes=megabytes(program.peak_bytes),
    )
