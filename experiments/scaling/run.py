"""Weak and strong scaling: bytes from compiled steps, and a model of 1 to 1024 accelerators.

    python experiments/scaling/run.py [--variant smoke|full] --output DIR

See README.md beside this file.
"""

import dataclasses
import json
import os
import pathlib
import sys
from typing import Literal

import rich.console
import tyro

# Studies are scripts, not an installed package: their folder is put on the path here.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench.measuring import run_alone
from scaling.config import VARIANTS
from scaling.counting import Count, Work, measure
from scaling.figures import modelled, sent
from scaling.report import as_markdown
from studies.records import write_figure, write_record

from dehaze_jax import storage


def study(
    variant: str, output: pathlib.Path, *, console: rich.console.Console
) -> tuple[list[Work], list[Count]]:
    """Counts everything and writes the page to `output`.

    Args:
        variant: what to do: a name in `VARIANTS`.
        output: folder for the page, its plots and the results.
        console: for progress.
    """
    config = VARIANTS[variant]
    output.mkdir(parents=True, exist_ok=True)
    works: list[Work] = []
    counts: list[Count] = []
    for number, method in enumerate(config.methods):
        with console.status(f"compiling steps of {method.name}"):
            # A process of its own: how many devices there are is settled when it starts.
            found = run_alone(__file__, "--variant", variant, "--only", str(number))
        works.append(Work(**found["work"]))
        counts += [Count(**count) for count in found["counts"]]
    write_record(output / "results.json", config, variant=variant, works=works, counts=counts)
    write_figure(output / "bytes.png", sent(works, counts, config))
    write_figure(output / "model.png", modelled(works, counts, config))
    page = as_markdown(works, counts, config, variant)
    storage.write_atomically(output / "report.md", page.encode())
    console.print(f"results in {output / 'report.md'}", highlight=False, soft_wrap=True)
    return works, counts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Run the scaling study."""

    output: pathlib.Path = pathlib.Path("runs/scaling")
    """Folder for the page and the results."""
    variant: Literal["smoke", "full"] = "full"
    """`smoke` does a little of everything in seconds; its figures mean nothing."""
    only: int | None = None
    """Count steps of this one of the methods, in this process, and print JSON."""


def main(options: Options) -> None:
    """Runs the study of the options."""
    config = VARIANTS[options.variant]
    if options.only is None:
        study(options.variant, options.output, console=rich.console.Console())
        return
    # Before the first use of a device. Code that runs fast is not needed: nothing runs.
    flags = (
        f"--xla_force_host_platform_device_count={max(config.devices)}",
        "--xla_backend_optimization_level=0",
    )
    os.environ["XLA_FLAGS"] = " ".join((os.environ.get("XLA_FLAGS", ""), *flags))
    os.environ["JAX_PLATFORMS"] = "cpu"
    print(json.dumps(measure(config, options.only)))


if __name__ == "__main__":
    main(tyro.cli(Options))
