"""Solving through a small network: `dehaze_jax.flow` against RK4 written by hand with `lax.scan`.

    python experiments/bench/flow.py [--repeats 5] [--output experiments/bench/flow.md]

For two sizes of state and two numbers of RK4 steps it measures the solve (forward) and the gradient
of the mean square of its end with respect to the network: seconds a call and to compile, and the
scratch memory that the compiled program asks for. The ways are measured in turns, so that a
disturbance of the machine strikes all of them.
"""

import argparse
import dataclasses
import gc
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.progress import track

from dehaze_jax import flow

SHAPES = ((4, 64, 64, 3), (1, 256, 256, 3))
STEPS = (4, 16)
PEER = "lax.scan by hand"


def init(key, width: int = 16) -> dict:
    """A network of two convolutions, of state and time to a velocity."""
    first, last = jax.random.split(key)
    return {
        "first": 0.2 * jax.random.normal(first, (3, 3, 4, width)),
        "last": 0.1 * jax.random.normal(last, (3, 3, width, 3)),
    }


def velocity(t, x, params):
    """The network."""
    plane = jnp.broadcast_to(jnp.asarray(t, x.dtype), (*x.shape[:-1], 1))
    hidden = _convolve(jnp.concatenate([x, plane], axis=-1), params["first"])
    return _convolve(jax.nn.gelu(hidden), params["last"])


def _convolve(x, kernel):
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def by_hand(x0, params, num_steps):
    """Classic RK4."""
    h = 1 / num_steps

    def step(x, t):
        k1 = velocity(t, x, params)
        k2 = velocity(t + h / 2, x + h / 2 * k1, params)
        k3 = velocity(t + h / 2, x + h / 2 * k2, params)
        k4 = velocity(t + h, x + h * k3, params)
        return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

    return jax.lax.scan(step, x0, h * jnp.arange(num_steps))[0]


def staged(x0, params, num_steps, unroll):
    """`flow.scan_stages`, recording nothing."""
    return flow.scan_stages(
        lambda t, x, _: (velocity(t, x, params), None), x0, num_steps=num_steps, unroll=unroll
    )[0]


WAYS: dict[str, Callable] = {
    PEER: by_hand,
    "flow.integrate": lambda x, p, n: flow.integrate(velocity, x, p, num_steps=n)[0],
    "flow.scan_stages, looped": lambda x, p, n: staged(x, p, n, False),
    "flow.scan_stages, unrolled": lambda x, p, n: staged(x, p, n, True),
}


@dataclasses.dataclass
class Program:
    """A compiled program and what was measured of it."""

    run: Callable
    compile_seconds: float
    scratch_megabytes: float
    seconds: list[float] = dataclasses.field(default_factory=list)


def build(way: Callable, task: str, x0, params, num_steps: int) -> Program:
    """Compiles one way of solving, or its gradient."""
    solve = lambda p, x: way(x, p, num_steps)  # noqa: E731
    if task == "gradient":
        function = jax.grad(lambda p, x: jnp.mean(jnp.square(solve(p, x))))
    else:
        function = solve
    lowered = jax.jit(function)
    start = time.perf_counter()
    compiled = lowered.lower(params, x0).compile()
    seconds = time.perf_counter() - start
    analysis = compiled.memory_analysis()
    scratch = analysis.temp_size_in_bytes / 1e6 if analysis else float("nan")
    return Program(lambda: compiled(params, x0), seconds, scratch)


def measure(programs: list[Program], repeats: int) -> None:
    """Runs the programs in turns; the first turn is not counted."""
    gc.disable()
    for turn in range(repeats + 1):
        for program in programs:
            start = time.perf_counter()
            jax.block_until_ready(program.run())
            if turn:
                program.seconds.append(time.perf_counter() - start)
    gc.enable()


def rows(repeats: int) -> list[str]:
    """The table."""
    lines = [
        "| state | steps | task | way | median ms | spread ms | ratio | compile s | scratch MB |",
        "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    cases = [(s, n, t) for s in SHAPES for n in STEPS for t in ("forward", "gradient")]
    params = init(jax.random.key(0))
    for shape, num_steps, task in track(cases, console=Console(stderr=True)):
        x0 = jax.random.uniform(jax.random.key(1), shape)
        programs = {name: build(way, task, x0, params, num_steps) for name, way in WAYS.items()}
        measure(list(programs.values()), repeats)
        for name, program in programs.items():
            seconds = program.seconds
            # Of turns, not of medians: what slows a turn down slows both.
            pairs = zip(seconds, programs[PEER].seconds, strict=True)
            ratio = statistics.median(own / peer for own, peer in pairs)
            lines.append(
                f"| {' x '.join(map(str, shape))} | {num_steps} | {task} | {name} "
                f"| {1e3 * statistics.median(seconds):.1f} "
                f"| {1e3 * (max(seconds) - min(seconds)):.1f} | {ratio:.2f} "
                f"| {program.compile_seconds:.2f} | {program.scratch_megabytes:.1f} |"
            )
    return lines


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description="Time and memory of solving through a network.")
    parser.add_argument("--repeats", type=int, default=5, help="turns that are counted")
    parser.add_argument("--output", type=pathlib.Path, help="also write the table to this file")
    arguments = parser.parse_args()
    machine = (
        f"{os.cpu_count()} x {platform.machine()}, {jax.device_count()} x"
        f" {jax.devices()[0].device_kind}, jax {jax.__version__}; median of"
        f" {arguments.repeats}; ratio to {PEER}"
    )
    text = "\n".join([machine, "", *rows(arguments.repeats), ""])
    Console(width=120, highlight=False).print(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
