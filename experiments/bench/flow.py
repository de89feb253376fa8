"""Solving through a small network: `dehaze_jax.flow` against RK4 written by hand with `lax.scan`.

    python experiments/bench/flow.py [--rounds 7] [--output experiments/bench/flow.md]

For two sizes of state and two numbers of RK4 steps it measures the solve (forward) and the gradient
of the mean square of its end with respect to the network: seconds a call and to compile, and the
scratch memory that the compiled program asks for. The ways are measured in turns, so that a
disturbance of the machine strikes all of them.
"""

import argparse
import os
import pathlib
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
from measuring import Way, machine, markdown, report, run_in_turns

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


def build(name: str, way: Callable, shape: tuple[int, ...], num_steps: int, task: str) -> Way:
    """Compiles one way of solving, or its gradient."""
    params, x0 = init(jax.random.key(0)), jax.random.uniform(jax.random.key(1), shape)

    def solve(params, x0):
        return way(x0, params, num_steps)

    def loss(params, x0):
        return jnp.mean(jnp.square(solve(params, x0)))

    start = time.perf_counter()
    function = jax.grad(loss) if task == "gradient" else solve
    compiled = jax.jit(function).lower(params, x0).compile()
    seconds = time.perf_counter() - start
    analysis = compiled.memory_analysis()
    return Way(
        task=f"{task}, {' x '.join(map(str, shape))}, {num_steps} steps",
        name=name,
        run=lambda: jax.block_until_ready(compiled(params, x0)),
        scratch=analysis.temp_size_in_bytes / 1e6 if analysis else None,
        compile_seconds=seconds,
    )


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description="Time and memory of solving through a network.")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that are counted")
    parser.add_argument("--output", type=pathlib.Path, help="also write the table to this file")
    arguments = parser.parse_args()
    ways = [
        build(name, way, shape, num_steps, task)
        for shape in SHAPES
        for num_steps in STEPS
        for task in ("forward", "gradient")
        for name, way in WAYS.items()
    ]
    seconds = run_in_turns(ways, arguments.rounds)
    lines = [machine(len(os.sched_getaffinity(0)), ["jax", "diffrax"]), "", markdown(ways, seconds)]
    report("\n".join(lines), arguments.output)


if __name__ == "__main__":
    main()
