"""The options of an ODE's solver, which several commands have."""

from typing import Annotated, Any, Protocol, TypeAlias, runtime_checkable

import tyro

from dehaze_jax.errors import InputError
from dehaze_jax.methods.config import RestoreOptions

_DEFAULT = RestoreOptions()


def _given_or(metavar: str, default: Any) -> Any:
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


# None is not given: what is given to a model that solves nothing is refused.
Solver: TypeAlias = Annotated[str | None, _given_or("NAME", _DEFAULT.solver)]
Steps: TypeAlias = Annotated[int | None, _given_or("INT", _DEFAULT.num_steps)]


@runtime_checkable
class Solving(Protocol):
    """Options of a command with a solver."""

    @property
    def solver(self) -> str | None: ...  # noqa: D102

    @property
    def steps(self) -> int | None: ...  # noqa: D102


def solver_options(options: Solving) -> dict[str, Any]:
    """Solver and steps, for `restoring.load`."""
    return {
        "solver": _DEFAULT.solver if options.solver is None else options.solver,
        "steps": _DEFAULT.num_steps if options.steps is None else options.steps,
    }


def check_solves(options: Solving, method: Any, source: str) -> None:
    """Refuses a solver for a method without an ODE.

    Args:
        options: of the command.
        method: what restores.
        source: where it came from; named in the error.

    Raises:
        InputError: the solver or its steps are given, and would have no effect.
    """
    given = [f"--{name}" for name in ("solver", "steps") if getattr(options, name) is not None]
    if given and method.evaluations is None:
        reason = f"{method.name} solves no ODE; leave out {' and '.join(given)}"
        raise InputError(source, reason)
