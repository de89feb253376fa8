"""What haze on the fly adds to a training step of the default flow, and what its parts take alone.

    python experiments/bench/haze.py --output experiments/bench/results/haze.md

Eight pictures of 256 x 256 pixels, of which no depth is known: that is made up too. A part alone is
the plain model with known depth and that part; what the plain model takes is in each line.
"""

import argparse
import dataclasses
import functools
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from measuring import Way, machine, markdown, report, run_in_turns

from dehaze_jax import haze, methods, training
from dehaze_jax.haze.config import GammaConfig, NightConfig

BATCH, SIDE = 8, 256
PLAIN = haze.PRESETS["reside_its"]
EVERYTHING = haze.HazeConfig(night=NightConfig(probability=0.5), gamma=GammaConfig(probability=0.5))
PARTS = ("patches", "falloff", "gradient", "night", "gamma", "noise", "jpeg")


def way(task: str, name: str, function: Callable, state: Any, *arguments: Any) -> Way:
    """Compiles a function of a state, which it may give back changed."""
    start = time.perf_counter()
    compiled = jax.jit(function, donate_argnums=0).lower(state, *arguments).compile()
    seconds = time.perf_counter() - start
    analysis = compiled.memory_analysis()
    kept = [state]

    def run() -> None:
        kept[0], result = compiled(kept[0], *arguments)
        jax.block_until_ready(result)

    scratch = analysis.temp_size_in_bytes / 1e6 if analysis else None
    return Way(task=task, name=name, run=run, scratch=scratch, compile_seconds=seconds)


def steps(pictures: dict[str, jax.Array]) -> list[Way]:
    """A training step without haze, and with it."""
    method = methods.build(methods.DehazeFlowConfig())
    create = jax.jit(lambda key: method.start(method.init(key, pictures)))

    def step(config: haze.HazeConfig | None, state: Any, batch: Any, key: Any) -> Any:
        batch = batch if config is None else training.rehaze(config, batch, key)
        return method.train_step(state, batch, key)

    task = f"training step, {BATCH} x {SIDE} x {SIDE}"
    configs = {"no haze": None, "plain": PLAIN, "default": haze.HazeConfig(), "all": EVERYTHING}
    return [
        way(
            task,
            name,
            functools.partial(step, config),
            create(jax.random.key(0)),
            pictures,
            jax.random.key(1),
        )
        for name, config in configs.items()
    ]


def parts(pictures: dict[str, jax.Array]) -> list[Way]:
    """Rendering without a step, every part alone."""
    known = {**pictures, "depth": pictures["clear"][..., :1]}

    def render(config: haze.HazeConfig, count: Any, batch: Any, key: Any) -> Any:
        hazy = training.rehaze(config, batch, jax.random.fold_in(key, count))
        return count + 1, (hazy["hazy"], hazy["clear"], hazy["transmission"])

    configs = {
        "plain, depth known": (PLAIN, known),
        "plain, depth made up": (PLAIN, pictures),
        **{
            name: (dataclasses.replace(PLAIN, **{name: getattr(EVERYTHING, name)}), known)
            for name in PARTS
        },
        "default": (haze.HazeConfig(), pictures),
        "all": (EVERYTHING, pictures),
    }
    task = f"rendering, {BATCH} x {SIDE} x {SIDE}"
    return [
        way(
            task,
            name,
            functools.partial(render, config),
            np.zeros((), np.int32),
            batch,
            jax.random.key(1),
        )
        for name, (config, batch) in configs.items()
    ]


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description="Time of haze on the fly.")
    parser.add_argument("--rounds", type=int, default=11, help="rounds that are counted")
    parser.add_argument("--output", type=pathlib.Path, help="also write the table to this file")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    pictures = {
        name: jax.device_put(rng.uniform(size=(BATCH, SIDE, SIDE, 3)).astype(np.float32))
        for name in ("hazy", "clear")
    }
    ways, seconds = [], []
    for task in (parts, steps):  # apart: what follows a whole step would start with cold caches
        ways += (own := task(pictures))
        seconds += run_in_turns(own, given.rounds)
    lines = [machine(len(os.sched_getaffinity(0)), ["jax", "jaxlib"]), "", markdown(ways, seconds)]
    report("\n".join(lines), given.output)


if __name__ == "__main__":
    main()
