"""The study from start to end. Every training leaves a file, so that a stopped study goes on."""

import json
import pathlib
import shutil
import time

import jax
import numpy as np
import rich.console
from solving_pays import figures
from solving_pays.config import CURVES, RECIPES, Recipe, StudyConfig, Way
from solving_pays.folds import make_folds, scenes_of
from solving_pays.measuring import (
    controls,
    hazy_scores,
    load_held,
    restore_with,
    score_each,
    seconds_at,
    straightness,
)
from solving_pays.report import as_markdown
from solving_pays.results import Results, Run
from studies.landscapes import Landscapes, load_pairs, prepare
from studies.records import write_figure, write_record

import dehaze_jax
from dehaze_jax import data, image, storage, training
from dehaze_jax.errors import InputError

_SHOWN = Landscapes(height=240, width=320, scenes=30, hazes=1, seed=1)
"""Scenes of the pictures: rendered, as those of the pairs may not be shown."""


def run(
    config: StudyConfig,
    output: pathlib.Path,
    *,
    pairs: pathlib.Path | None,
    variant: str = "custom",
    console: rich.console.Console,
) -> Results:
    """Does what is not in `output` yet, and writes the page anew after every training.

    Args:
        config: what to do.
        output: folder for everything.
        pairs: folder of pairs, see `make_folds`; not needed where the config names landscapes.
        variant: name of the config, for the page.
        console: for progress.

    Raises:
        InputError: no pairs, or `output` holds a result of another configuration or other pairs.
    """
    (output / "measured").mkdir(parents=True, exist_ok=True)
    if config.landscapes is not None:
        folds, scenes = [prepare(config.landscapes, output, console)], None
    elif pairs is None:
        raise InputError("--pairs", "is needed: a folder of paired data sets")
    else:
        folds, scenes = make_folds(pairs, output, config.folds, console), scenes_of(pairs)
    held = [load_held(fold) for fold in folds]
    hazy = [dict(zip(part.ids, _by_picture(hazy_scores(part)), strict=True)) for part in held]
    runs: list[Run] = []
    if scenes is None:  # rendered pictures are named by scene and number
        scenes = {name: name.rpartition("_")[0] for part in held for name in part.ids}
    results = Results(config, variant, hazy, scenes, runs)
    for name in config.recipes:
        for number, fold in enumerate(folds):
            seed = config.seeds[number % len(config.seeds)]
            found = _train_and_measure(config, RECIPES[name], fold, number, seed, output)
            runs.append(found)
            own = found.mean(RECIPES[name].own)
            console.print(
                f"{name}, fold {number}: {own['psnr']:.2f} dB in {found.seconds:.0f} CPU s",
                highlight=False,
            )
            _write(results, output)
        # Programs of one recipe are of no use to the next.
        jax.clear_caches()
    _write_pictures(config, output, console)
    console.print(f"results in {output / 'report.md'}", highlight=False, soft_wrap=True)
    return results


def _train_and_measure(
    config: StudyConfig, recipe: Recipe, fold: str, number: int, seed: int, output: pathlib.Path
) -> Run:
    workdir = _workdir(output, recipe.name, number)
    train = config.train_config(recipe, seed, fold, str(workdir))
    asked = {
        # Without its folders: a study that was moved goes on.
        "config": storage.config_to_dict(config.train_config(recipe, seed, "", "")),
        "data": data.fingerprint(train.data),
        "ways": config.ways,
        "straightness_steps": config.straightness_steps,
        "large": config.large,
    }
    asked = json.loads(json.dumps(asked))  # JSON knows no tuples
    file = output / "measured" / f"{workdir.name}.json"
    if file.exists():
        record = storage.read_json(file)
        before = record["asked"]
        before = {**before, "config": training.complete_config(before["config"])}
        if json.loads(json.dumps(before)) != asked:
            raise InputError(file, "is the result of another configuration or of other pictures")
        return Run.from_record(record["run"])
    shutil.rmtree(workdir, ignore_errors=True)  # one that was stopped: its time would be too short
    begin = time.process_time()
    training.train(train, console=rich.console.Console(quiet=True))
    seconds = time.process_time() - begin
    restorer = dehaze_jax.load(workdir, solver=recipe.own.solver, steps=recipe.own.steps)
    held = load_held(fold)
    ways = {recipe.own, Way("euler", 1), Way("rk4", 4)}
    if recipe.name in CURVES:
        ways |= set(config.ways)
    scores = {
        way: score_each(restore_with(restorer, restorer.variables, way), held)
        for way in sorted(ways)
    }
    timed = number == 0 and (recipe.group == "backbone" or recipe.name in CURVES)
    found = Run(
        recipe=recipe.name,
        fold=number,
        seed=seed,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(restorer.variables)),
        seconds=seconds,
        ids=held.ids,
        scores=scores,
        controls=controls(restorer, recipe.own, held) if recipe.name in CURVES else {},
        straightness=straightness(restorer, held, config.straightness_steps),
        large=seconds_at(restorer, config.large) if timed else (),
    )
    record = {"machine": training.machine(), "asked": asked, "run": found.as_record()}
    storage.write_json(file, record)
    return found


def _workdir(output: pathlib.Path, recipe: str, fold: int) -> pathlib.Path:
    name = "".join(c if c.isalnum() or c == "." else "-" for c in recipe)
    return output / "runs" / f"{name}-{fold}"


def _by_picture(scores: dict[str, list[float]]) -> list[dict[str, float]]:
    return [dict(zip(scores, values, strict=True)) for values in zip(*scores.values(), strict=True)]


def _write(results: Results, output: pathlib.Path) -> None:
    write_record(
        output / "results.json",
        results.config,
        variant=results.variant,
        hazy=results.hazy,
        scenes=results.scenes,
        runs=[run.as_record() for run in results.runs],
    )
    write_figure(output / "steps.png", figures.steps(results))
    if len(results.recipes) > 1:
        write_figure(output / "differences.png", figures.differences(results))
    storage.write_atomically(output / "report.md", as_markdown(results).encode())


def _write_pictures(
    config: StudyConfig, output: pathlib.Path, console: rich.console.Console
) -> None:
    """What the recipes of the curves make of rendered scenes that none of them has seen."""
    shown = config.landscapes or _SHOWN
    pairs = load_pairs(prepare(shown, output, console), "test", 3)
    columns: dict[str, np.ndarray] = {"hazy": pairs.hazy}
    for name in (name for name in CURVES if name in config.recipes):
        own = RECIPES[name].own
        restorer = dehaze_jax.load(_workdir(output, name, 0), solver=own.solver, steps=own.steps)
        columns[f"{name}, {own}"] = np.stack([restorer(picture) for picture in pairs.hazy])
    columns["clear"] = pairs.clear
    image.write(output / "pictures.jpg", figures.sheet(columns))
