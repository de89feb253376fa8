"""Memory that a training step takes: parts of batches, what is computed anew, bfloat16.

    python experiments/bench/step_memory.py [--output step_memory.md] [--batch-size 8]

Default configurations, on pictures of 256 x 256 pixels, but for the rollout: four Euler steps,
which evaluate the field as often as one of RK4 and compile sooner. Nothing is run: XLA tells of the
compiled step how much it takes beside state and batch. Compiling takes minutes.
"""

import dataclasses
import os
import pathlib

import jax
import jax.numpy as jnp
import tyro
from measuring import machine, report

from dehaze_jax.methods import (
    BilateralConfig,
    DehazeFlowConfig,
    MethodConfig,
    ObjectiveConfig,
    OptimiserConfig,
    build,
)

SIDE = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Ask XLA for the memory of training steps."""

    output: pathlib.Path | None = None
    """Also write the table to this Markdown file."""
    batch_size: int = 8
    """Pictures in a batch."""


def flow(**objective) -> DehazeFlowConfig:
    """4KDehazeFlow with other values of the objective."""
    euler = ObjectiveConfig(rollout_solver="euler", rollout_steps=4, **objective)
    return DehazeFlowConfig(objective=euler)


CASES: dict[str, tuple[MethodConfig, OptimiserConfig]] = {
    "dehazeflow": (flow(), OptimiserConfig()),
    "dehazeflow, remat pixels": (flow(remat="pixels"), OptimiserConfig()),
    "dehazeflow, remat stages": (flow(remat="stages"), OptimiserConfig()),
    "dehazeflow, accumulate 4": (flow(), OptimiserConfig(accumulate=4)),
    "dehazeflow, accumulate 4, remat stages": (
        flow(remat="stages"),
        OptimiserConfig(accumulate=4),
    ),
    "dehazeflow, bfloat16": (flow(), OptimiserConfig(precision="bfloat16")),
    "bilateral": (BilateralConfig(), OptimiserConfig()),
    "bilateral, accumulate 4": (BilateralConfig(), OptimiserConfig(accumulate=4)),
    "bilateral, bfloat16": (BilateralConfig(), OptimiserConfig(precision="bfloat16")),
}


def megabytes(config: MethodConfig, optimiser: OptimiserConfig, batch_size: int) -> float:
    """What a compiled step takes beside its arguments."""
    method = build(config, optimiser, total_steps=100)
    pictures = jax.ShapeDtypeStruct((batch_size, SIDE, SIDE, 3), jnp.float32)
    batch = {"hazy": pictures, "clear": pictures}
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(lambda key: method.start(method.init(key, batch)), key)
    step = jax.jit(method.train_step, donate_argnums=0)
    found = step.lower(state, batch, key).compile().memory_analysis()
    if found is None:
        raise SystemExit("this device does not tell what a step takes")
    return found.temp_size_in_bytes / 1e6


def main(options: Options) -> None:
    """Compiles and prints."""
    found = {name: megabytes(*case, options.batch_size) for name, case in CASES.items()}
    lines = [
        "`python experiments/bench/step_memory.py`: MB that a training step takes beside state and",
        f"batch, {options.batch_size} pictures of {SIDE} x {SIDE}, "
        f"on {jax.devices()[0].device_kind}.",
        "",
        machine(len(os.sched_getaffinity(0)), ["jax", "jaxlib"]),
        "",
        "| step | MB | share |",
        "| --- | ---: | ---: |",
        *(
            f"| {name} | {value:.0f} | {value / found[name.partition(',')[0]]:.2f} |"
            for name, value in found.items()
        ),
    ]
    report("\n".join(lines), options.output)


if __name__ == "__main__":
    main(tyro.cli(Options))
