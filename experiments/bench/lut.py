"""Look-up of a 3840 x 2160 photograph in a 33-point table, beside other libraries.

    python experiments/bench/lut.py [--threads 2] [--rounds 15] [--only uint8] [--output FILE.md]

Every way is given its input as it likes it best, ready in memory. Libraries without threads of
their own get one part of the rows for each thread. OpenColorIO, PyTorch and dm_pix take part where
they are installed. Gradients are pulled back from a cotangent that is given, without the look-up
itself. All results are compared before anything is measured.
"""

import argparse
import os
import pathlib
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from lut_peers import (
    HEIGHT,
    SIZE,
    WIDTH,
    Candidate,
    Inputs,
    compiled,
    dm_pix_interpolate,
    gathers,
    jax_map_coordinates,
    opencolorio_way,
    pillow_way,
    scipy_way,
    torch_way,
)
from measuring import Way, machine, markdown, run_in_turns
from rich.console import Console

KINDS = ("trilinear", "tetrahedral")
PACKAGES = ("jax", "opencolorio", "pillow", "scipy", "torch", "dm-pix")
OPTIONAL = {"PyOpenColorIO": "OpenColorIO", "torch": "PyTorch", "dm_pix": "dm_pix"}
MISSING = [name for module, name in OPTIONAL.items() if not find_spec(module)]

JAX_PEERS = {
    "plain JAX gathers": gathers,
    "`jax.scipy.ndimage.map_coordinates`": jax_map_coordinates,
    **({} if "dm_pix" in MISSING else {"dm_pix": dm_pix_interpolate}),
}


def our_ways(
    inputs: Inputs, task: str, interpolation: Any, pixels: np.ndarray
) -> Iterator[Candidate]:
    """`lut.apply` and `lut.apply_planes`."""
    import jax
    import jax.numpy as jnp

    from dehaze_jax import lut

    table, image = jnp.asarray(inputs.table), jnp.asarray(pixels)
    planes = tuple(jnp.asarray(np.ascontiguousarray(pixels[..., k])) for k in range(3))
    apply = partial(lut.apply, interpolation=interpolation)
    apply_planes = partial(lut.apply_planes, interpolation=interpolation)
    run = lambda: jax.block_until_ready(apply(table, image))  # noqa: E731
    yield Way(task=task, name="`lut.apply`", run=run), np.asarray
    yield compiled("`lut.apply` inside `jit`", task, apply, table, image)
    way, _ = compiled("`lut.apply_planes`", task, apply_planes, table, planes)
    yield way, lambda planes: np.stack(planes, axis=-1)


def look_ups(inputs: Inputs, task: str) -> Iterator[Candidate]:
    """Ways of looking the picture up."""
    dtype, interpolation = task.split(", ")
    pixels = inputs.floats if dtype == "float32" else inputs.bytes
    yield from our_ways(inputs, task, interpolation, pixels)
    if "OpenColorIO" not in MISSING:
        yield opencolorio_way(inputs, task, interpolation, pixels)
    if task == "uint8, trilinear":
        yield pillow_way(inputs, task)
    if task == "float32, trilinear":
        yield scipy_way(inputs, task)
        if "PyTorch" not in MISSING:
            yield torch_way(inputs, task)
        for name, function in JAX_PEERS.items():
            yield compiled(name, task, function, inputs.table, inputs.floats)


def gradients(inputs: Inputs, task: str) -> Iterator[Candidate]:
    """Ways of pulling a cotangent of the looked-up picture back to the table or the picture."""
    import jax

    from dehaze_jax import lut

    which, interpolation = task.removeprefix("gradient of the ").split(", ")

    def pull(look_up):
        def pulled(table, image, cotangent):
            if which == "table":
                return jax.vjp(lambda table: look_up(table, image), table)[1](cotangent)[0]
            return jax.vjp(lambda image: look_up(table, image), image)[1](cotangent)[0]

        return pulled

    arguments = inputs.table, inputs.floats, inputs.cotangent
    options: dict[str, Any] = {"interpolation": interpolation}
    apply = partial(lut.apply, **options)
    yield compiled("`lut.apply` inside `jit`", task, pull(apply), *arguments)
    if interpolation == "trilinear":
        if "PyTorch" not in MISSING:
            yield torch_way(inputs, task, which)
        for name, function in JAX_PEERS.items():
            yield compiled(name, task, pull(function), *arguments)


TASKS = {
    **{f"{dtype}, {kind}": look_ups for dtype in ("float32", "uint8") for kind in KINDS},
    **{
        f"gradient of the {which}, {kind}": gradients
        for which in ("table", "image")
        for kind in KINDS
    },
}


def check(ways: list[Candidate]) -> None:
    """Compares the results of the ways of one task; runs each of them once."""
    expected = None
    for way, as_array in ways:
        result = np.asarray(as_array(way.run()), np.float64)
        if expected is None:
            expected = result
        # Integers are rounded by ways of their own.
        limit = 1 if way.task.startswith("uint8") else 1e-4 * np.abs(expected).max()
        distance = np.abs(result - expected).max()
        if not distance <= limit:
            raise SystemExit(f"{way.task}: {way.name} is {distance:.2g} off {ways[0][0].name}")


def main() -> None:
    """Runs the benchmark."""
    processors = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description="Look-up in a table, beside other libraries.")
    parser.add_argument("--threads", type=int, default=min(2, len(processors)), help="of every way")
    parser.add_argument("--rounds", type=int, default=15, help="rounds that are counted")
    parser.add_argument("--only", default="", help="tasks whose names hold this")
    parser.add_argument("--output", type=pathlib.Path, help="also write the table to this file")
    given = parser.parse_args()
    if not 1 <= given.threads <= len(processors):
        parser.error(f"--threads {given.threads} is not in 1 to {len(processors)}, the processors")
    console = Console(width=160, highlight=False, markup=False, soft_wrap=True)
    if MISSING:
        console.print(f"Not installed, left out: {', '.join(MISSING)}.\n")
    # Thread pools are as large as the number of processors that may be used; JAX has no other way.
    os.sched_setaffinity(0, processors[: given.threads])
    inputs, ways = Inputs(given.threads), []
    for task, build in TASKS.items():
        if given.only in task:
            candidates = list(build(inputs, task))
            check(candidates)
            ways += [way for way, _ in candidates]
    if not ways:
        parser.error(f"no task holds {given.only!r}: {'; '.join(TASKS)}")
    table = markdown(ways, run_in_turns(ways, given.rounds))
    head = (
        f"{WIDTH} x {HEIGHT} photograph, {SIZE}-point table.\n"
        f"{machine(given.threads, PACKAGES)}.\nMedian of {given.rounds} rounds; ratio to the first"
        " way of the same task."
    )
    text = f"{head}\n\n{table}\n"
    console.print(text)
    if given.output:
        given.output.write_text(text)


if __name__ == "__main__":
    main()
