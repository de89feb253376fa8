"""What a traced program costs, counted from its jaxpr: nothing is compiled, nothing runs."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from jax.extend import core

KINDS: tuple[str, ...] = ("convolutions", "matrix products", "elementwise")

Size: TypeAlias = Callable[[Any], int]
"""Bytes that a value of some abstract type takes."""

# Calls that a compiler puts in place; loops and branches stay what they are.
_REMAT = ("checkpoint", "remat2")
_CALLS = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", *_REMAT)
# Another name for the same bytes.
_RENAMINGS = ("reshape", "squeeze", "expand_dims", "optimization_barrier")


def count_multiplications(program: core.Jaxpr) -> dict[str, int]:
    """Multiplications of a program by kind, see `KINDS`.

    Convolutions and matrix products count as written, zeros around a picture included; look-ups in
    tables are not counted. Of several ways of doing the same the one with the fewest counts. A loop
    whose length is not known counts once.
    """
    found = Counter(dict.fromkeys(KINDS, 0))
    equations: list[Any] = program.eqns  # what is known of a value depends on its type
    for equation in equations:
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
        elif name in ("mul", "div", "square", "integer_pow"):
            found["elementwise"] += size
        elif name == "cond":
            # One way of doing the same on every kind of device: the plainest.
            ways = [count_multiplications(branch) for branch in _inner(params)]
            found.update(min(ways, key=lambda way: sum(way.values())))
        else:
            times = params.get("length", 1) if name == "scan" else 1
            for inner in _inner(params):
                for kind, number in count_multiplications(inner).items():
                    found[kind] += times * number
    return dict(found)


def count_bytes(aval: Any) -> int:
    """Bytes of a whole value; 0 of what is no array."""
    return math.prod(aval.shape) * aval.dtype.itemsize if hasattr(aval, "shape") else 0


def peak_bytes(program: core.Jaxpr, size: Size = count_bytes, *, results: bool = False) -> int:
    """Most bytes that the intermediate values of a program take at one time.

    An estimate of what a compiler makes of it. The equations are taken in their order, and a value
    lives from the equation that makes it to the last that reads it. As compilers do, values that
    are computed twice are computed once and kept, except inside `jax.checkpoint`, and values that
    nobody reads never. Unlike compilers, nothing is fused, nothing is put into another order, and
    no operation takes memory for its own work.

    Args:
        program: to count.
        size: bytes that a value takes; where it is divided, those of one device.
        results: whether what the program returns counts too; its arguments do not.
    """
    flat = _Flat(size)
    names = {variable: flat.make(None) for variable in program.invars}
    flat.append(program, names, {})
    returned = {names[out] for out in program.outvars if not isinstance(out, core.Literal)}
    if not results:
        for value in returned:
            flat.sizes[value] = 0

    last = dict.fromkeys(returned, len(flat.operations))
    for time, operation in reversed(list(enumerate(flat.operations))):
        if any(value in last for value in operation.outputs):
            for value in operation.inputs:
                last.setdefault(value, time)

    ending: list[list[int]] = [[] for _ in range(len(flat.operations) + 1)]
    live = most = 0
    for time, operation in enumerate(flat.operations):
        made = [value for value in operation.outputs if value in last]
        if not made:
            continue
        for value in made:
            live += flat.sizes[value]
            ending[last[value]].append(value)
        most = max(most, live + _inside(operation.equation, size))
        live -= sum(flat.sizes[value] for value in ending[time])
    return most


def _inside(equation: core.JaxprEqn, size: Size) -> int:
    """Bytes that a loop or a branch takes beside what it returns."""
    # A turn of a loop has its new values beside the old ones.
    results = equation.primitive.name != "cond"
    inner = (peak_bytes(each, size, results=results) for each in _inner(equation.params))
    return max(inner, default=0)


class _Operation(NamedTuple):
    """An equation with the numbers of its values."""

    equation: core.JaxprEqn
    inputs: list[int]
    outputs: list[int]


class _Flat:
    """A program without calls; its values are numbers, those that are equal the same.

    Attributes:
        operations: in their order.
        sizes: bytes of each value; 0 of those that come from outside.
    """

    def __init__(self, size: Size):
        self.operations: list[_Operation] = []
        self.sizes: list[int] = []
        self._size = size

    def make(self, variable: Any) -> int:
        """A new value; None stands for one from outside."""
        self.sizes.append(0 if variable is None else self._size(variable.aval))
        return len(self.sizes) - 1

    def append(self, program: core.Jaxpr, names: dict[Any, int], known: dict[Any, Any]) -> None:
        """Adds the operations of a program.

        Args:
            program: whose arguments have numbers.
            names: numbers of its variables; gains those of the new ones.
            known: what was computed already, by its computation.
        """
        for variable in program.constvars:
            names[variable] = self.make(None)
        for equation in program.eqns:
            name, outvars = equation.primitive.name, equation.outvars
            inner = list(_inner(equation.params))
            inputs = [
                self.make(None) if isinstance(each, core.Literal) else names[each]
                for each in equation.invars
            ]
            if name in _CALLS and inner:
                within = dict(zip(inner[0].invars, inputs, strict=True))
                # What is to be computed again is not looked up.
                self.append(inner[0], within, {} if name in _REMAT else known)
                for variable, out in zip(outvars, inner[0].outvars, strict=True):
                    literal = isinstance(out, core.Literal)
                    names[variable] = self.make(None) if literal else within[out]
                continue
            if name in _RENAMINGS:
                names.update(zip(outvars, inputs, strict=False))
                continue
            computation = None if inner or equation.effects else _describe(equation, names)
            outputs = known.get(computation) if computation else None
            if outputs is None:
                outputs = [self.make(variable) for variable in outvars]
                self.operations.append(_Operation(equation, inputs, outputs))
                if computation:
                    known[computation] = outputs
            names.update(zip(outvars, outputs, strict=True))


def _describe(equation: core.JaxprEqn, names: dict[Any, int]) -> tuple[Any, ...]:
    """Equal for equations that compute the same."""
    inputs = (
        str(each) if isinstance(each, core.Literal) else names[each] for each in equation.invars
    )
    return equation.primitive.name, *inputs, str(equation.params)


def _inner(params: dict[str, Any]) -> Iterator[core.Jaxpr]:
    """The programs that an equation runs."""
    for value in params.values():
        for each in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(each, core.ClosedJaxpr):
                yield each.jaxpr
            elif isinstance(each, core.Jaxpr):
                yield each
