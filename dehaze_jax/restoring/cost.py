"""What restoring costs in multiplications, counted from the program and not from a run."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from dehaze_jax.methods.config import RestoreOptions
from dehaze_jax.methods.protocol import Method, Rows
from dehaze_jax.restoring.strips import reduction
from dehaze_jax.storage.trees import count_parameters

KINDS: tuple[str, ...] = ("convolutions", "matrix products", "elementwise")


class Cost(NamedTuple):
    """Cost of a method.

    Attributes:
        parameters: values that are trained.
        summarise: multiplications for a whole picture by kind, see `KINDS`.
        render: those of the work at full size, for the whole picture.
    """

    parameters: int
    summarise: dict[str, int]
    render: dict[str, int]


def count_cost(
    method: Method, height: int, width: int, options: RestoreOptions | None = None
) -> Cost:
    """Counts the multiplications of restoring one picture; nothing is computed or compiled.

    Convolutions and matrix products count as written, zeros around a picture included; look-ups in
    tables are not counted.

    Args:
        method: any method.
        height: rows of the picture.
        width: its columns.
        options: solver and steps.
    """
    options = options or RestoreOptions()
    picture = jax.ShapeDtypeStruct((height, width, 3), jnp.float32)
    pair = {"hazy": picture, "clear": picture}
    variables = jax.eval_shape(method.init, jax.random.key(0), pair)

    def summarise(variables, hazy):
        return method.summarise(variables, hazy, options)

    def render(variables, context, rows):
        return method.render(variables, context, rows, Rows(0, height, width))

    factor = reduction(method, height, width)
    reduced = jax.ShapeDtypeStruct((-(-height // factor), -(-width // factor), 3), jnp.float32)
    context = jax.eval_shape(summarise, variables, reduced)
    return Cost(
        count_parameters(variables),
        count_work(summarise, variables, reduced),
        count_work(render, variables, context, picture),
    )


def count_work(function: Callable[..., Any], *arguments: Any) -> dict[str, int]:
    """Multiplications of any function by kind, see `KINDS`; nothing is computed or compiled.

    A loop counts as often as it runs if that is known when it is traced, else once.

    Args:
        function: what is counted; a gradient too.
        arguments: arrays, or their shapes.
    """
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def _count(jaxpr: Any) -> dict[str, int]:
    found = Counter(dict.fromkeys(KINDS, 0))
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        size = sum(variable.aval.size for variable in equation.outvars)
        if name == "conv_general_dilated":
            kernel = equation.invars[1].aval
            outputs = kernel.shape[params["dimension_numbers"].rhs_spec[0]]
            found["convolutions"] += size * kernel.size // outputs
        elif name == "dot_general":
            (contracted, _), _ = params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            for axis in contracted:
                size *= shape[axis]
            found["matrix products"] += size
        elif name in ("mul", "div", "integer_pow"):
            found["elementwise"] += size
        elif name == "cond":
            # One way of doing the same on every kind of device: the plainest.
            ways = [_count(branch.jaxpr) for branch in params["branches"]]
            found.update(min(ways, key=lambda way: sum(way.values())))
        else:
            times = params.get("length", 1) if name == "scan" else 1
            for inner in _inner(params):
                for kind, number in _count(inner).items():
                    found[kind] += times * number
    return dict(found)


def _inner(params: dict[str, Any]) -> Iterator[Any]:
    """The programs that an equation runs."""
    for value in params.values():
        if isinstance(value, core.ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, core.Jaxpr):
            yield value
