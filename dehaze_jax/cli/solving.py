"""The options of an ODE's solver, which several commands have."""

from typing import Annotated, Any, Protocol, TypeAlias, runtime_checkable

import tyro


def _given(metavar: str) -> Any:
    hint = "(default: as the model was trained; after flow matching alone rk4 and 4)"
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=hint)


# None is not given: what is given to a model that solves nothing is refused.
Solver: TypeAlias = Annotated[str | None, _given("NAME")]
Steps: TypeAlias = Annotated[int | None, _given("INT")]


@runtime_checkable
class Solving(Protocol):
    """Options of a command with a solver."""

    @property
    def solver(self) -> str | None: ...  # noqa: D102

    @property
    def steps(self) -> int | None: ...  # noqa: D102


def solver_options(options: Solving) -> dict[str, Any]:
    """Solver and steps as far as they are given, for `restoring.load`."""
    return {"solver": options.solver, "steps": options.steps}
