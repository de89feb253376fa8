"""What a compiled program sends between devices, read from its text."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

Groups: TypeAlias = tuple[tuple[int, ...], ...]

KINDS: tuple[str, ...] = (
    "all-gather",
    "all-reduce",
    "all-to-all",
    "collective-broadcast",
    "collective-permute",
    "ragged-all-to-all",
    "reduce-scatter",
)

_BYTES = {"pred": 1, "token": 0, "bf16": 2, "f16": 2, "f32": 4, "f64": 8, "c64": 8, "c128": 16}
_BYTES |= {f"{sign}{bits}": bits // 8 for sign in "su" for bits in (8, 16, 32, 64)}

_COMPUTATION = re.compile(r"(ENTRY )?%?(\S+) \(.*\{$")
_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%?\S+ = (.+?) ([a-z][\w-]*)\((.*)$")
_ARRAY = re.compile(r"\b(\w+)\[([\d,]*)\]")
_CALLED = re.compile(
    r"\b(body|calls|to_apply|branch_computations|(?:true|false)_computation)="
    r"(?:\{([^}]*)\}|%?([\w.-]+))"
)
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_SOURCE = re.compile(r'op_name="([^"]*)"')
_PAIRS = re.compile(r"source_target_pairs=\{((?:\{\d+,\d+\},?)*)\}")
_LISTED = re.compile(r"replica_groups=\{((?:\{[\d,]*\},?)*)\}")
_COUNTED = re.compile(r"replica_groups=(\[[\d,]+\]<=\[[\d,]+\](?:T\([\d,]+\))?)")
_MESH = re.compile(
    r"replica_groups=mesh\[([^\]]*)\](?:, device_ids=\((\[[^)]*\](?:T\([\d,]+\))?)\))? "
    r"\{([^}]*)\}"
)


class Collective(NamedTuple):
    """One instruction by which devices exchange arrays.

    Attributes:
        kind: a name in `KINDS`; the two halves of one that runs in the background count as one.
        shapes: of the results on one device, each a type of XLA's and the axes.
        groups: devices that exchange among themselves, by their place in the program; of
            `collective-permute` each sender with its receiver. None: all devices together.
        times: how often a call of the program runs it; None inside a loop of unknown length. Of
            the ways of a condition all count as taken.
        source: what it comes from in the traced program.
    """

    kind: str
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    groups: Groups | None
    times: int | None
    source: str

    @property
    def bytes(self) -> int:
        """Of the results of one run on one device."""
        return sum(_BYTES[dtype] * math.prod(shape) for dtype, shape in self.shapes)

    def sent(self, devices: int) -> float:
        """Bytes that a device sends in one run if the devices of a group stand in a ring.

        Args:
            devices: of the program.

        Reference:
            Thakur, Rabenseifner, Gropp, "Optimization of collective communication operations in
            MPICH" (IJHPCA 2005).
        """
        if self.kind in ("collective-permute", "collective-broadcast"):
            return float(self.bytes)
        n = devices if self.groups is None else max(map(len, self.groups))
        if self.kind == "reduce-scatter":  # its result is one of n parts
            return float((n - 1) * self.bytes)
        return (2 if self.kind == "all-reduce" else 1) * (n - 1) / n * self.bytes


def find_collectives(text: str) -> list[Collective]:
    """All collectives that a compiled program runs, in the order of its text.

        program = jax.jit(step).lower(state, batch).compile()
        for each in training.find_collectives(program.as_text()):
            print(each.kind, each.shapes, each.times, each.source)

    Args:
        text: `as_text()` of a `jax.stages.Compiled`.

    Raises:
        ValueError: the text is not that of a compiled program, or names devices or a type in a way
            that is not known.
    """
    computations, entry = _read(text)
    found = []

    def walk(name: str, times: int | None) -> None:
        for result, operation, rest in computations[name]:
            kind = operation.removesuffix("-start")
            if kind in KINDS:
                groups = _groups(rest)
                if groups is not None and all(len(group) < 2 for group in groups):
                    continue  # of each device with itself
                source = _SOURCE.search(rest)
                shapes = _shapes(result, kind, started=kind != operation)
                found.append(
                    Collective(kind, shapes, groups, times, source.group(1) if source else "")
                )
                continue
            inside = times
            if operation == "while":
                trips = _TRIPS.search(rest)
                inside = times * int(trips.group(1)) if trips and times is not None else None
            for called in _called(rest):
                walk(called, inside)

    walk(entry, 1)
    return found


def _read(text: str) -> tuple[dict[str, list[tuple[str, str, str]]], str]:
    """Instructions by computation, each as result, operation and the rest; the first to run."""
    computations: dict[str, list[tuple[str, str, str]]] = {}
    entry = current = None
    for line in text.splitlines():
        if head := _COMPUTATION.match(line):
            current = head.group(2)
            computations[current] = []
            entry = current if head.group(1) else entry
        elif current is not None and (instruction := _INSTRUCTION.match(line)):
            result, operation, rest = instruction.groups()
            computations[current].append((result, operation, rest))
    if entry is None:
        raise ValueError("this is not the text of a compiled program")
    return computations, entry


def _called(rest: str) -> Iterator[str]:
    for _, several, one in _CALLED.findall(rest):
        yield from (name.strip(" %") for name in (several or one).split(","))


def _shapes(result: str, kind: str, *, started: bool) -> tuple[tuple[str, tuple[int, ...]], ...]:
    arrays = [(dtype, _numbers(axes)) for dtype, axes in _ARRAY.findall(result)]
    if unknown := {dtype for dtype, _ in arrays if dtype not in _BYTES}:
        raise ValueError(f"{', '.join(sorted(unknown))}: no known type")
    if started and kind != "all-reduce":
        # The first half holds what goes in, what comes out, and of permutes two counters more.
        if kind == "collective-permute":
            arrays = [array for array in arrays if array != ("u32", ())]
        arrays = arrays[len(arrays) // 2 :]
    return tuple(arrays)


def _groups(rest: str) -> Groups | None:
    if pairs := _PAIRS.search(rest):
        return _listed(pairs.group(1))
    if listed := _LISTED.search(rest):
        return _listed(listed.group(1)) or None
    if counted := _COUNTED.search(rest):
        return _as_groups(_count(counted.group(1)))
    if mesh := _MESH.search(rest):
        return _of_mesh(*mesh.groups())
    raise ValueError(f"devices are not named in a known way: {rest[:200]}")


def _listed(text: str) -> Groups:
    return tuple(_numbers(group) for group in re.findall(r"\{([\d,]*)\}", text))


def _count(text: str) -> np.ndarray:
    """`[2,2]<=[4]T(1,0)`: numbers from 0 in the axes on the right, turned, in those on the left."""
    left, _, right = text.partition("<=")
    axes, _, turned = (right or left).partition("T")
    numbers = np.arange(math.prod(_numbers(axes))).reshape(_numbers(axes))
    numbers = numbers.transpose(_numbers(turned)) if turned else numbers
    return numbers.reshape(_numbers(left)) if right else numbers


def _of_mesh(axes: str, order: str | None, along: str) -> Groups:
    """Groups along named axes, or parts `:(before)size` of them."""
    sizes = {name: int(size) for name, size in re.findall(r"'([^']+)'=(\d+)", axes)}
    parts: list[tuple[str, int]] = []
    chosen: set[int] = set()
    asked = re.findall(r"'([^']+)'(?::\((\d+)\)(\d+))?", along)
    for name, size in sizes.items():
        before = 1
        for _, start, length in sorted(
            ((n, int(start or 1), int(length or size)) for n, start, length in asked if n == name),
            key=lambda part: part[1],
        ):
            parts += [(name, start // before), (name, length)]
            chosen.add(len(parts) - 1)
            before = start * length
        parts.append((name, size // before))
    numbers = np.arange(math.prod(sizes.values())) if order is None else _count(order)
    numbers = numbers.reshape([size for _, size in parts])
    others = [axis for axis in range(len(parts)) if axis not in chosen]
    turned = numbers.transpose(*others, *sorted(chosen))
    return _as_groups(turned.reshape(-1, math.prod(parts[axis][1] for axis in chosen)))


def _as_groups(numbers: np.ndarray) -> Groups:
    return tuple(tuple(int(number) for number in group) for group in numbers)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))
