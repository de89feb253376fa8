"""What the rows say, in words. Every sentence is made from figures by a rule that it states."""

import math
from collections.abc import Callable, Sequence

from solver_study.measuring import Result, Row
from solver_study.solving import order

SOLVED = 0.5 / 255
"""Error at which a picture counts as solved: half a level of 8 bits, root mean square."""
_SAME_DB = 0.1
_TOLERATED = 0.25
_LOW = 2
"""Order up to which a solver is called low."""


def orders(results: Sequence[Result]) -> list[str]:
    """On analytic fields: observed against nominal orders."""
    parts = []
    for result in results:
        if result.field.kind != "analytic":
            continue
        found = finest_orders(result)
        told = {name: value for name, value in found.items() if value is not None}
        if not told:
            continue
        off = {n: v for n, v in told.items() if abs(v - order(n)) > _TOLERATED}
        part = f"{result.field.title} {len(told) - len(off)} of {len(told)}"
        if off:
            part += f" (the others: {', '.join(f'{n} {v:.1f}' for n, v in off.items())})"
        parts.append(part)
    if not parts:
        return []
    return [
        f"**Orders** within {_TOLERATED} of the solver's nominal one, told from the finest pair of "
        f"steps whose errors are clear of the reference's own: {'; '.join(parts)}."
    ]


def finest_orders(result: Result) -> dict[str, float | None]:
    """By solver, the order at the largest number of steps at which it can be told."""
    found: dict[str, float | None] = {}
    for row in result.rows:
        if row.mode == "fixed" and (row.order is not None or row.solver not in found):
            found[row.solver] = row.order
    return found


def of_field(result: Result) -> list[str]:
    """Paragraphs on one field."""
    texts = [f"Bend {100 * result.bend:.2g} %.", _cost(result), _worth(result)]
    if result.solved:
        texts.append(_quality(result))
    return [text for text in texts if text]


def cheapest(result: Result, mode: str, good: Callable[[Row], bool]) -> Row | None:
    """The row of fewest evaluations from which on all finer ones of its solver are good too."""
    best: Row | None = None
    for solver in {row.solver for row in result.rows}:
        own = [row for row in result.rows if row.solver == solver and row.mode == mode]
        own.sort(key=lambda row: row.nfe)
        while len(own) > 1 and good(own[-1]) and good(own[-2]):
            own.pop()
        if own and good(own[-1]):
            row = own[-1]
            if best is None or (row.nfe, row.error) < (best.nfe, best.error):
                best = row
    return best


def worth_from(result: Result, solver: str = "rk4") -> int | None:
    """Evaluations from which a solver beats all low ones, whatever more is spent.

    The smallest budget among its own numbers of evaluations such that there, and at each larger
    one, its error is below the smallest that any solver of order 1 or 2 has reached with at most
    as many evaluations. Budgets at which both errors lie below the reference's own do not count.
    """
    fixed = [row for row in result.rows if row.mode == "fixed"]
    found = None
    for row in sorted((r for r in fixed if r.solver == solver), key=lambda r: -r.nfe):
        rivals = [r.error for r in fixed if order(r.solver) <= _LOW and r.nfe <= row.nfe]
        least = min(rivals, default=math.inf)
        if max(row.error, least) <= result.reference_error:
            continue
        if not row.error < least:
            break
        found = row.nfe
    return found


def solved_by(result: Result, mode: str) -> Row | None:
    """The row of fewest evaluations that solves a field to half an 8-bit level."""
    return cheapest(result, mode, lambda row: row.error <= SOLVED)


def _cost(result: Result) -> str:
    parts = []
    for mode, name in (("fixed", "equal steps"), ("adaptive", "steps chosen by tolerance")):
        if not any(row.mode == mode for row in result.rows):
            continue
        row = solved_by(result, mode)
        how = "no solver tried does" if row is None else _describe(row)
        parts.append(f"with {name} {how}")
    return (
        "Fewest evaluations that solve it to half an 8-bit level (root mean square, and all finer "
        f"settings of the solver too): {'; '.join(parts)}."
    )


def _worth(result: Result) -> str:
    own = [row for row in result.rows if row.solver == "rk4" and row.mode == "fixed"]
    if not own:
        return ""
    if all(row.error <= result.reference_error for row in own):
        return "RK4's error lies below the reference's own at every number of steps."
    nfe = worth_from(result)
    if nfe is None:
        return (
            "**RK4 is not worth it** at the largest budget at which errors can be told from the "
            "reference's own: there a solver of order 1 or 2 is as accurate with at most as many "
            "evaluations."
        )
    return (
        f"**RK4 is worth it from {nfe} evaluations on**: there and at every larger budget tried at "
        "which errors can be told from the reference's own, its error is below that of every "
        "solver of order 1 or 2 with at most as many evaluations."
    )


def _quality(result: Result) -> str:
    solved, hazy = result.solved["psnr"], result.hazy["psnr"]
    text = f"PSNR of the hazy pictures {hazy:.2f} dB, of the reference solve {solved:.2f} dB"
    one = [row for row in result.rows if row.solver == "euler" and row.mode == "fixed"]
    one = [row for row in one if row.steps == 1 and row.psnr is not None]
    if one:
        text += f", of one Euler step {one[0].psnr:.2f} dB"
    row = cheapest(
        result,
        "fixed",
        lambda row: row.psnr is not None and abs(row.psnr - solved) <= _SAME_DB,
    )
    how = "no setting tried" if row is None else _describe(row)
    return (
        f"{text}. Fewest evaluations from which PSNR stays within {_SAME_DB} dB of the reference: "
        f"{how}."
    )


def _describe(row: Row) -> str:
    how = (
        f"at tolerance {row.tolerance:g}"
        if row.tolerance is not None
        else _count(row.steps, "step")
    )
    return f"{row.solver}, {how}, {_count(row.nfe, 'evaluation')}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
