"""What `dehaze-jax plan` estimates that a training step takes, and what XLA asks for.

    python experiments/bench/training_memory.py [--output training_memory.md]

Steps of configurations of `experiments/configs` are compiled for one device of this machine and not
run, so a processor that is busy changes nothing. A quarter of an hour on two CPU cores.
"""

import dataclasses
import importlib.util
import os
import pathlib
import sys
from typing import Any

import tyro
from measuring import machine
from rich.console import Console
from rich.progress import track

from dehaze_jax import training

CONFIGS = pathlib.Path(__file__).parents[1] / "configs"
sys.path.insert(0, str(CONFIGS))  # they import one another
CASES = (
    "dehazeflow.py:smoke",
    "dehazeflow.py:matching",
    "dehazeflow.py:base",
    "dehazeflow_4k.py:short",
    "bilateral.py:smoke",
    "bilateral.py:base",
    "bilateral.py:released",
    "bilateral_4k.py:short",
    "nedr.py:smoke",
    "nedr.py:base",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Compare estimates of memory with XLA's."""

    output: pathlib.Path | None = None
    """Also write the table to this Markdown file."""


def read(case: str) -> training.TrainConfig:
    """The configuration of `FILE:VARIANT`."""
    name, _, variant = case.partition(":")
    spec = importlib.util.spec_from_file_location(pathlib.Path(name).stem, CONFIGS / name)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(CONFIGS / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(variant)


def memory_of_step(config: training.TrainConfig) -> Any:
    """XLA's figures, see `jax.stages.Compiled.memory_analysis`."""
    return training.compile_ahead(config).memory_analysis()


def main(options: Options) -> None:
    """Prints the table."""
    here = machine(os.cpu_count() or 1, ("jax", "jaxlib"))
    lines = [
        f"`python experiments/bench/training_memory.py`: one device. {here}",
        "",
        "| configuration | batch | state and batch, XLA MB | planned MB | a step, XLA MB "
        "| planned MB | XLA / planned |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for case in track(CASES, console=Console(stderr=True)):
        config = read(case)
        planned, found = training.count_training_cost(config, devices=1), memory_of_step(config)
        held = sum(planned.held.values())
        side = config.data.crop_size
        lines.append(
            f"| {case} | {config.data.batch_size} x {side} x {side} "
            f"| {found.argument_size_in_bytes / 1e6:,.1f} | {held / 1e6:,.1f} "
            f"| {found.temp_size_in_bytes / 1e6:,.0f} | {planned.step / 1e6:,.0f} "
            f"| {found.temp_size_in_bytes / planned.step:.2f} |"
        )
    text = "\n".join(lines) + "\n"
    print(text)
    if options.output is not None:
        options.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
