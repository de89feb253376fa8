"""What restoring costs in multiplications, counted from the program and not from a run."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from dehaze_jax.methods.config import RestoreOptions
from dehaze_jax.methods.protocol import Method, Rows
from dehaze_jax.programs import count_multiplications
from dehaze_jax.restoring.strips import reduction
from dehaze_jax.storage.trees import count_parameters


class Cost(NamedTuple):
    """Cost of a method.

    Attributes:
        parameters: values that are trained.
        summarise: multiplications for a whole picture by kind, see `programs.KINDS`.
        render: those of the work at full size, for the whole picture.
    """

    parameters: int
    summarise: dict[str, int]
    render: dict[str, int]


def count_cost(
    method: Method, height: int, width: int, options: RestoreOptions | None = None
) -> Cost:
    """Counts the multiplications of restoring one picture; nothing is computed or compiled.

    What counts is said in `programs.count_multiplications`.

    Args:
        method: any method.
        height: rows of the picture.
        width: its columns.
        options: solver and steps; default is the method's own.
    """
    options = options or method.options
    picture = jax.ShapeDtypeStruct((height, width, 3), jnp.float32)
    pair = {"hazy": picture, "clear": picture}
    variables = jax.eval_shape(lambda pair: method.init(jax.random.key(0), pair), pair)

    def summarise(variables, hazy):
        return method.summarise(variables, hazy, options)

    def render(variables, context, rows):
        return method.render(variables, context, rows, Rows(0, height, width))

    factor = reduction(method, height, width)
    reduced = jax.ShapeDtypeStruct((-(-height // factor), -(-width // factor), 3), jnp.float32)
    context = jax.eval_shape(summarise, variables, reduced)
    return Cost(
        count_parameters(variables),
        count_multiplications(jax.make_jaxpr(summarise)(variables, reduced).jaxpr),
        count_multiplications(jax.make_jaxpr(render)(variables, context, picture).jaxpr),
    )
