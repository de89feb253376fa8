"""The study from start to end."""

import pathlib
from collections.abc import Sequence
from typing import Any

import rich.console
import rich.progress
from solver_study import figures, findings
from solver_study.config import StudyConfig
from solver_study.fields import make_analytic, make_real, make_trained
from solver_study.measuring import Result, measure_field
from solver_study.report import as_markdown
from solver_study.solving import Programs, settings
from studies.records import write_csv, write_figure, write_record

from dehaze_jax import image, storage


def run(
    config: StudyConfig,
    output: pathlib.Path,
    *,
    variant: str = "custom",
    real: tuple[pathlib.Path, pathlib.Path] | None = None,
    console: rich.console.Console,
) -> list[Result]:
    """Trains, solves, measures, and writes the results to `output`.

    Args:
        config: what to do.
        output: folder for everything; trained fields that are in it are gone on with.
        variant: name of the config, for the page.
        real: folders of hazy and clear pictures, scored apart with the weights that ship.
        console: for progress.
    """
    output.mkdir(parents=True, exist_ok=True)
    fields = [*make_analytic(config), *make_trained(config, output, console)]
    if real is not None:
        fields.append(make_real(config, *real))
    programs = Programs(config.max_steps)
    results = []
    with rich.progress.Progress(console=console, transient=True) as bars:
        every = bars.add_task("solving", total=len(fields) * len(settings(config)))
        for field in fields:
            bars.update(every, description=field.title)
            results.append(measure_field(field, config, programs, lambda: bars.advance(every)))
            console.print(f"{field.title}: {len(results[-1].rows)} solves measured")
    write_results(results, config, output, variant)
    console.print(f"results in {output / 'report.md'}", highlight=False, soft_wrap=True)
    return results


def write_results(
    results: Sequence[Result], config: StudyConfig, output: pathlib.Path, variant: str
) -> None:
    """Writes the tables, the record, the pictures and the page."""
    rows = [row for result in results for row in result.rows]
    write_csv(output / "results.csv", rows)
    write_record(
        output / "results.json",
        config,
        variant=variant,
        fields={result.field.name: _facts(result) for result in results},
        rows=rows,
    )
    trained = [result for result in results if result.field.pairs is not None]
    rendered = [result for result in trained if result.field.kind == "rendered"]
    write_figure(output / "overview.png", figures.overview(rendered))
    for result in results:
        write_figure(output / f"error-{result.field.name}.png", figures.work_precision(result))
    for result in trained:
        write_figure(output / f"psnr-{result.field.name}.png", figures.quality(result))
    for result in rendered:
        image.write(output / f"strip-{result.field.name}.png", figures.strip(result))
    page = as_markdown(results, variant)
    storage.write_atomically(output / "report.md", page.encode())


def _facts(result: Result) -> dict[str, Any]:
    pairs = result.field.pairs
    return {
        "title": result.field.title,
        "kind": result.field.kind,
        "reference": result.reference,
        "reference_error": result.reference_error,
        "displacement": result.displacement,
        "bend": result.bend,
        "hazy": result.hazy,
        "solved": result.solved,
        "pairs": pairs and {"ids": pairs.ids, "fingerprint": pairs.fingerprint},
        "findings": findings.of_field(result),
        "orders": findings.finest_orders(result),
    }
