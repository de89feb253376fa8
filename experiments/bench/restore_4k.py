"""Time and memory of restoring one 3840 x 2160 picture with the weights that ship.

    python experiments/bench/restore_4k.py [--tasks rk4:4 euler:1 bilateral ...]

Every line is a process of its own. It compiles, then restores the picture five times; the first of
them is not counted. Memory is the peak of the process. The peer is the dark-channel prior on the
same picture, also compiled before.
"""

import argparse
import json
import platform

from measuring import photograph, run_alone, time_alone
from rich.console import Console
from rich.table import Table

HEIGHT, WIDTH, REPEATS = 2160, 3840, 5


def measure(task: str) -> dict:
    """Runs one task in this process."""
    import jax
    import numpy as np

    import dehaze_jax
    from dehaze_jax import haze

    hazy = photograph(HEIGHT, WIDTH)
    if task == "dark-channel":
        run = jax.jit(lambda pixels: haze.dark_channel_restore(pixels.astype(np.float32) / 255))
    elif ":" in task:
        solver, steps = task.split(":")
        run = dehaze_jax.load("dehazeflow", solver=solver, steps=int(steps))
    else:
        run = dehaze_jax.load(task)
    return {
        **time_alone(lambda: np.asarray(run(hazy)), REPEATS),
        "jax": jax.__version__,
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
    }


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description="Time and memory of restoring a 4K picture.")
    parser.add_argument(
        "--tasks",
        nargs="+",
        default=["rk4:4", "rk4:1", "euler:4", "euler:1", "bilateral"],
        help="SOLVER:STEPS of dehazeflow, or weights that solve nothing",
    )
    parser.add_argument("--only", help="measure this task in this process; prints JSON")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments.only)))
        return
    tasks = ["dark-channel", *arguments.tasks]
    rows = {task: run_alone(__file__, "--only", task) for task in tasks}
    peer = rows["dark-channel"]["median"]
    machine = f"{platform.machine()}, jax {rows['dark-channel']['jax']}"
    table = Table(title=f"{WIDTH} x {HEIGHT}, uint8, {rows['dark-channel']['device']}, {machine}")
    for title in ("task", "first s", "median s", "spread s", "ratio to peer", "peak MB"):
        table.add_column(title, justify="right")
    for task, row in rows.items():
        table.add_row(
            task,
            f"{row['first']:.2f}",
            f"{row['median']:.2f}",
            f"{row['spread']:.2f}",
            f"{row['median'] / peer:.2f}",
            f"{row['megabytes']:.0f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
