"""Slim or released network of bilateral learning at one budget, and SSIM in the loss.

    python experiments/bilateral_study/run.py [--variant smoke|full] --output DIR

See README.md beside this file.
"""

import dataclasses
import json
import pathlib
import sys
from typing import Any, Literal

import jax
import rich.console
import tyro

# Studies are scripts, not an installed package: their folder is put on the path here.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bilateral_study.config import VARIANTS, StudyConfig, cases
from bilateral_study.measuring import measure
from bilateral_study.report import page, plot
from studies.landscapes import prepare
from studies.records import write_figure, write_record

from dehaze_jax import storage
from dehaze_jax.errors import InputError


def run(
    config: StudyConfig,
    output: pathlib.Path,
    *,
    variant: str = "custom",
    console: rich.console.Console,
) -> list[dict[str, Any]]:
    """Does what is not in `output` yet, and writes the page anew after every training.

    Args:
        config: what to do.
        output: folder for everything.
        variant: name of the config, for the page.
        console: for progress.

    Raises:
        InputError: `output` holds a result of another configuration.
    """
    output.mkdir(parents=True, exist_ok=True)
    sets = (prepare(config.landscapes, output, console),) if config.landscapes else ()
    results = []
    for case in cases(config, sets):
        file = output / case.file
        if not file.exists():
            storage.write_json(file, measure(case))
            # Programs of one configuration are of no use to the next.
            jax.clear_caches()
        result = storage.read_json(file)
        # JSON knows no tuples.
        if result["config"] != json.loads(json.dumps(storage.config_to_dict(case.train))):
            raise InputError(file, "is the result of another configuration")
        results.append(result)
        last = result["points"][-1]
        console.print(
            f"{case.part} {case.name}, seed {result['seed']}: {last['psnr']:.2f} dB, "
            f"{last['seconds']:.0f} CPU seconds"
        )
        _write(results, config, output, variant)
    console.print(f"results in {output / 'report.md'}", highlight=False, soft_wrap=True)
    return results


def _write(results: list[Any], config: StudyConfig, output: pathlib.Path, variant: str) -> None:
    write_record(output / "results.json", config, variant=variant, results=results)
    budget = [result for result in results if result["part"] == "budget"]
    if budget:
        write_figure(output / "psnr.png", plot(budget))
    storage.write_atomically(output / "report.md", page(results, variant).encode())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Run the study of bilateral learning."""

    output: pathlib.Path
    """Folder for results; trainings whose result is in it are not done again."""
    variant: Literal["smoke", "full"] = "full"
    """`smoke` does a little of everything in a minute; its figures mean nothing."""


def main(options: Options) -> None:
    """Runs the study of the options."""
    # Trainings that differ in their seed alone share their programs.
    jax.config.update("jax_compilation_cache_dir", str(options.output / "programs"))
    run(
        VARIANTS[options.variant],
        options.output,
        variant=options.variant,
        console=rich.console.Console(),
    )


if __name__ == "__main__":
    main(tyro.cli(Options))
