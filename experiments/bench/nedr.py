"""Time and memory of a training step of NeDR, and of restoring 3840 x 2160 with its weights.

    python experiments/bench/nedr.py --output experiments/bench/results/nedr.md

Every line is a process of its own, with its peak memory, compiling included: the published network
on one picture of 256 x 256, the slim one on eight of 128 x 128, and one picture restored with the
weights that ship. Pictures are hazy ones, of which a step takes as many clear ones as well. The
first call compiles and is not counted.
"""

import argparse
import json
import pathlib
import time

from measuring import machine, photograph, report, run_alone, time_alone

TASKS = {
    "step, published, 1 x 256 x 256": ("published", 1, 256, 3),
    "step, slim, 8 x 128 x 128": ("slim", 8, 128, 5),
    "restore, slim, 3840 x 2160": None,
}


def measure(task: str) -> dict:
    """Runs one task in this process."""
    import jax
    import numpy as np

    import dehaze_jax
    from dehaze_jax.methods import PUBLISHED, NedrConfig, build

    chosen = TASKS[task]
    if chosen is None:
        hazy, restorer = photograph(2160, 3840), dehaze_jax.load("nedr")
        return {**time_alone(lambda: restorer(hazy), 3), "pictures": 1}
    size, batch, side, repeats = chosen
    method = build(PUBLISHED if size == "published" else NedrConfig())
    rng = np.random.default_rng(0)
    pictures = {
        name: rng.uniform(size=(batch, side, side, 3)).astype(np.float32)
        for name in ("hazy", "clear")
    }
    start = time.perf_counter()
    state = jax.jit(lambda key: method.start(method.init(key, pictures)))(jax.random.key(0))
    step = jax.jit(method.train_step, donate_argnums=0)
    step = step.lower(state, pictures, jax.random.key(1)).compile()
    compiling = time.perf_counter() - start

    def run() -> None:
        nonlocal state
        state, scalars = step(state, pictures, jax.random.key(1))
        jax.block_until_ready(scalars)

    timed = time_alone(run, repeats)
    return {**timed, "first": compiling + timed["first"], "pictures": batch}


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description="Time and memory of NeDR.")
    parser.add_argument("--output", type=pathlib.Path, help="Markdown file for the table")
    parser.add_argument("--only", help="measure this task in this process; prints JSON")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments.only)))
        return
    lines = [
        machine(2, ("jax", "jaxlib", "numpy")),
        "",
        "| task | first call s | median s | spread s | pictures a second | peak memory MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for task in TASKS:
        row = run_alone(__file__, "--only", task)
        lines.append(
            f"| {task} | {row['first']:.1f} | {row['median']:.2f} | {row['spread']:.2f} "
            f"| {row['pictures'] / row['median']:.2f} | {row['megabytes']:.0f} |"
        )
    report("\n".join(lines), arguments.output)


if __name__ == "__main__":
    main()
