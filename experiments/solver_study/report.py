"""The page of the study: tables, plots, and what they say."""

import math
from collections.abc import Sequence

from solver_study.figures import LARGEST_ERROR
from solver_study.findings import finest_orders, of_field, orders, solved_by, worth_from
from solver_study.measuring import PROTOCOL, Result, Row
from solver_study.solving import order
from studies.records import machine_line, markdown_table

_KINDS = {
    "analytic": "Fields with known solution",
    "rendered": "Trained fields, rendered landscapes",
    "real": "Trained fields, real pairs",
}


def as_markdown(results: Sequence[Result], variant: str) -> str:
    """The whole page; pictures are named as `write_results` writes them."""
    parts = [
        "# Solvers of the dehazing flow",
        f"Variant `{variant}`. {machine_line()}. Every figure is from `results.csv` and "
        "`results.json` beside this page, written by the same run.",
        "## What was found",
        *_findings(results),
        _fields_table(results),
        "Evaluations of the field, by the rules stated above; - where there is no such number.",
        "![work-precision overview](overview.png)",
        "## How it was measured",
        _METHOD,
    ]
    for kind, heading in _KINDS.items():
        own = [result for result in results if result.field.kind == kind]
        if own:
            parts += [f"## {heading}"]
            parts += [part for result in own for part in _field_parts(result)]
    return "\n\n".join(parts) + "\n"


_METHOD = f"""\
* Error: root mean square over all colours of all pictures of the unclipped state at t = 1 minus the
  reference. The reference's own error is the same distance between two fine solves, or rounding.
  Plots show errors above {LARGEST_ERROR:g}, of solves that blew up, at that value.
* Bend: S of Liu et al. over the mean square displacement; 0 for a straight line at constant speed.
  Of a trained field both are means over the proxy and the pictures, which are solved together.
* Order: log2 of the ratio of the errors of n / 2 and n steps, where both are ten times above the
  reference's own.
* Evaluations are counted by the solver, rejected steps included. With tolerances (rtol = atol) all
  pictures of a batch share their steps, and the first step that is tried is the whole way.
* Scores: protocol `{PROTOCOL}`, mean over the pictures, restored pictures clipped and rounded.
* Time: median of warm runs of the whole batch; the machine must be otherwise idle for it to mean
  anything. Compile time includes tracing. Memory is the compiler's account of one solve."""


def _findings(results: Sequence[Result]) -> list[str]:
    lines = orders(results)
    for result in results:
        lines.append(f"**{_capital(result.field.title)}.** " + " ".join(of_field(result)))
    return ["\n".join(f"* {line}" for line in lines)]


def _fields_table(results: Sequence[Result]) -> str:
    header = [
        "field",
        "bend %",
        "solved with (equal steps)",
        "(tolerance)",
        "RK4 worth it from",
        "hazy dB",
        "solved dB",
        "reference's error",
    ]
    rows = []
    for result in results:
        solved = [solved_by(result, mode) for mode in ("fixed", "adaptive")]
        rows.append(
            [
                result.field.title,
                f"{100 * result.bend:.2g}",
                *("-" if row is None else f"{row.nfe} ({row.solver})" for row in solved),
                str(worth_from(result) or "-"),
                f"{result.hazy['psnr']:.2f}" if result.hazy else "",
                f"{result.solved['psnr']:.2f}" if result.solved else "",
                f"{result.reference_error:.1e}",
            ]
        )
    return markdown_table(header, rows)


def _field_parts(result: Result) -> list[str]:
    name = result.field.name
    parts = [
        f"### {_capital(result.field.title)}",
        f"Errors are against: {result.reference}.",
        f"![error](error-{name}.png)",
    ]
    parts += ["Error with equal steps.", _by_steps(result, lambda row: _small(row.error), True)]
    adaptive = [row for row in result.rows if row.mode == "adaptive"]
    if adaptive:
        parts += ["Steps chosen by tolerance.", _adaptive(adaptive)]
    if result.field.pairs is not None:
        parts += [f"![PSNR](psnr-{name}.png)", "PSNR in dB, equal steps."]
        parts += [_by_steps(result, lambda row: _number(row.psnr, 2))]
        if result.field.kind == "rendered":
            parts += [f"![pictures](strip-{name}.png)"]
        parts += ["Milliseconds, warm.", _by_steps(result, lambda row: f"{1e3 * row.seconds:.0f}")]
        parts += ["Compiling, and memory of one step.", _cost(result)]
    return parts


def _by_steps(result: Result, cell, with_order: bool = False) -> str:
    rows = [row for row in result.rows if row.mode == "fixed"]
    steps = sorted({row.steps for row in rows})
    header = ["solver", *(f"{n} step{'s' if n > 1 else ''}" for n in steps)]
    found = finest_orders(result)
    if with_order:
        header += ["order", "nominal"]
    lines = []
    for solver in found:
        own = {row.steps: row for row in rows if row.solver == solver}
        line = [solver, *(cell(own[n]) for n in steps)]
        if with_order:
            line += [_number(found[solver], 2), str(order(solver))]
        lines.append(line)
    return markdown_table(header, lines)


def _adaptive(rows: Sequence[Row]) -> str:
    tolerances = sorted({row.tolerance or 0 for row in rows}, reverse=True)
    header = ["error (evaluations, of them rejected steps)", *(f"{t:.0e}" for t in tolerances)]
    lines = []
    for solver in dict.fromkeys(row.solver for row in rows):
        own = {row.tolerance: row for row in rows if row.solver == solver}
        cells = [f"{_small(own[t].error)} ({own[t].nfe}, {own[t].rejected})" for t in tolerances]
        lines.append([solver, *cells])
    return markdown_table(header, lines)


def _cost(result: Result) -> str:
    header = ["solver", "compile s", "scratch MB", "with arguments and results MB"]
    lines = []
    for solver in finest_orders(result):
        row = next(r for r in result.rows if r.solver == solver and r.mode == "fixed")
        lines.append(
            [
                solver,
                f"{row.compile_seconds:.1f}",
                _number(row.scratch_megabytes, 1),
                _number(row.peak_megabytes, 1),
            ]
        )
    return markdown_table(header, lines)


def _small(value: float) -> str:
    return f"{value:.1e}" if math.isfinite(value) else "failed"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
