"""Solvers by name."""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import diffrax
import numpy as np

# diffrax wants an error estimate; Kutta's methods have none, so it is zero, and `integrate` refuses
# to choose steps by it.
_SIXTH, _THIRD = float(Fraction(1, 6)), float(Fraction(1, 3))
_EIGHTH, _TWO_THIRDS = float(Fraction(1, 8)), float(Fraction(2, 3))
_RK4_TABLEAU = diffrax.ButcherTableau(
    c=np.array([0.5, 0.5, 1.0]),
    a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
    b_sol=np.array([_SIXTH, _THIRD, _THIRD, _SIXTH]),
    b_error=np.zeros(4),
)
_RK4_38_TABLEAU = diffrax.ButcherTableau(
    c=np.array([_THIRD, _TWO_THIRDS, 1.0]),
    a_lower=(np.array([_THIRD]), np.array([-_THIRD, 1.0]), np.array([1.0, -1.0, 1.0])),
    b_sol=np.array([_EIGHTH, 3 * _EIGHTH, 3 * _EIGHTH, _EIGHTH]),
    b_error=np.zeros(4),
)


class RK4(diffrax.AbstractERK):
    """The classic Runge-Kutta method: order 4, four evaluations a step, fixed steps only.

    Reference: Kutta, Beitrag zur näherungsweisen Integration totaler Differentialgleichungen
    (1901).
    """

    tableau: ClassVar[diffrax.ButcherTableau] = _RK4_TABLEAU
    interpolation_cls: ClassVar = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms) -> int:
        """Order of the error in the step size."""
        del terms
        return 4


class RK438(diffrax.AbstractERK):
    """Kutta's 3/8 rule: order 4, four evaluations a step, fixed steps only.

    What torchdiffeq calls `rk4`. Between the ends of steps its interpolation is of order 3.

    Reference: Kutta, Beitrag zur näherungsweisen Integration totaler Differentialgleichungen
    (1901).
    """

    tableau: ClassVar[diffrax.ButcherTableau] = _RK4_38_TABLEAU
    interpolation_cls: ClassVar = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms) -> int:
        """Order of the error in the step size."""
        del terms
        return 4


SOLVERS: Mapping[str, diffrax.AbstractSolver] = MappingProxyType(
    {
        "euler": diffrax.Euler(),
        "midpoint": diffrax.Midpoint(),
        "heun": diffrax.Heun(),
        "ralston": diffrax.Ralston(),
        "rk4": RK4(),
        "rk4-38": RK438(),
        "bosh3": diffrax.Bosh3(),
        "tsit5": diffrax.Tsit5(),
        "dopri5": diffrax.Dopri5(),
        "dopri8": diffrax.Dopri8(),
    }
)


class Coefficients(NamedTuple):
    """The stages of an explicit Runge-Kutta method that make up its step, written out.

    Attributes:
        times: of each stage, as a share of the step; the first is 0.
        lower: weights of the earlier stages in the state of each stage; the first row is empty.
        weights: of the stages in the step.
    """

    times: tuple[float, ...]
    lower: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]


def coefficients(solver: diffrax.AbstractSolver) -> Coefficients:
    """Coefficients of a solver; diffrax has no tableau for Euler's method.

    A last stage without weight, which only the error estimate uses, is left out.
    """
    if isinstance(solver, diffrax.Euler):
        return Coefficients((0.0,), ((),), (1.0,))
    table = solver.tableau  # pyright: ignore[reportAttributeAccessIssue]
    weights = np.trim_zeros(table.b_sol, "b").tolist()
    times = (0.0, *table.c.tolist())[: len(weights)]
    lower = ((), *(tuple(row.tolist()) for row in table.a_lower))[: len(weights)]
    return Coefficients(times, lower, tuple(weights))


def has_error_estimate(solver: diffrax.AbstractSolver) -> bool:
    """Whether steps can be chosen by the solver's own estimate of its error."""
    table = getattr(solver, "tableau", None)
    return table is not None and bool(np.any(table.b_error != 0))


def evaluations(solver: diffrax.AbstractSolver, steps, *, first_attempts=1):
    """Evaluations of the velocity that `steps` steps cost, rejected ones counted.

    Solvers whose last stage is the first of the next step save one evaluation a step, once a first
    step has been accepted.

    Args:
        solver: an explicit Runge-Kutta solver.
        steps: attempted steps; a number or an array.
        first_attempts: attempts at the first step.
    """
    table = getattr(solver, "tableau", None)
    stages = 1 if table is None else len(table.b_sol)
    if table is not None and table.fsal:
        return steps * (stages - 1) + first_attempts
    return steps * stages
