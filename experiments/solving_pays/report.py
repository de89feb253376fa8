"""The page. Every sentence is made from figures by a rule that it states."""

from collections.abc import Sequence

import numpy as np
from solving_pays.comparing import Difference, verdict
from solving_pays.config import AGAIN, CURVES, LONGER, ONE_STEP, RECIPES, SOLVER, Way
from solving_pays.folds import SETS, set_of
from solving_pays.results import Results
from studies.records import machine_line, markdown_table

_DIGITS = {"psnr": 2, "ssim": 4, "ciede2000": 2}
_TITLES = {"psnr": "PSNR dB", "ssim": "SSIM", "ciede2000": "CIEDE2000"}
_SAID = {
    "pays": "better in at least one score and worse in none",
    "costs": "worse in at least one score and better in none",
    "mixed": "better in one score and worse in another",
    "open": "no score tells them apart",
}


def as_markdown(results: Results) -> str:
    """The report."""
    config, pictures = results.config, results.untouched()
    kind = "rendered landscapes" if config.landscapes else "real pairs, at half their size"
    parts = [
        "# Does solving the flow pay?",
        f"Variant `{results.variant}`. {machine_line()}. Every figure is from `results.json` "
        "beside this page, made by:",
        f"```sh\npython experiments/solving_pays/run.py --variant {results.variant} --pairs DATA "
        "--output DIR\n```",
        f"{len(pictures)} pictures ({kind}) of which each is scored by a training that has not "
        f"seen its scene: {len(results.hazy)} parts, each with a seed of its own. "
        f"{config.train_steps} steps of {config.batch_size} pictures of {config.crop_size} pixels "
        "unless a recipe is longer. Protocol `rgb-full`." + _not_run(results),
        "## Answer",
        "\n".join(f"* {line}" for line in findings(results)),
        "![differences from one step](differences.png)",
        "## All recipes",
        "Means over all pictures, each recipe solved as it is meant to be. *Evaluations* "
        "of the field in a training step are nearly all of its cost; CPU seconds are the mean of "
        "the trainings, compiling included where that was not done before, on a machine that may "
        "have done other work too. Sharpness: "
        "differences of neighbouring pixels as a share of the clear picture's.",
        markdown_table(
            [
                "recipe",
                "solved by",
                "evaluations",
                "steps",
                "CPU s",
                *_TITLES.values(),
                "sharpness",
            ],
            _rows(results),
        ),
        "## Differences",
        "Paired over pictures, and the interval of 95 % of a bootstrap over their "
        f"{len(set(results.scenes.values()))} scenes; the sign is such that more is better. Both "
        "recipes in their own way. What other seeds alone do, no interval says: "
        f"`{AGAIN}` shows it.",
        _difference_table(results, ONE_STEP),
    ]
    if LONGER in results.recipes:
        parts += [f"Against `{LONGER}`, which costs what RK4 does; others cost more or less:"]
        parts += [_difference_table(results, LONGER)]
    parts += [
        "## Steps",
        "![PSNR and sharpness against evaluations](steps.png)",
        *_other_ways(results),
        "## What the field depends on",
        "Mean scores where the field is told another time, or its LUT is reset to the identity. "
        "Straightness: the way from hazy to restored as a share of the length of the trajectory.",
        markdown_table(["recipe", "control", *_TITLES.values()], _control_rows(results)),
        markdown_table(
            ["recipe", "straightness"],
            [[name, f"{results.straightness(name):.3f}"] for name in results.recipes],
        ),
        "## Sets, dense and thin haze",
        "PSNR dB / SSIM / CIEDE2000. Dense is the half of the pictures whose haze costs most PSNR.",
        _group_table(results),
        *_backbones(results),
        "## Pictures",
        "Rendered scenes, which no recipe has been trained on; the pairs may not be shown.",
        "![hazy, restored and clear pictures](pictures.jpg)",
    ]
    return "\n\n".join(parts) + "\n"


def _not_run(results: Results) -> str:
    left = [name for name in RECIPES if name not in results.recipes]
    return f" Not run: {_named(left)}." if left else ""


def findings(results: Results) -> list[str]:
    """Which recipes pay, against one step; of those that cost as much, against the longer one."""
    lines = []
    bases = [base for base in (ONE_STEP, LONGER) if base in results.recipes]
    for base in bases:
        for outcome, said in _SAID.items():
            names = [
                name
                for name in results.recipes
                if name not in bases
                and (base == ONE_STEP or _cost(name) == _cost(LONGER))
                and RECIPES[name].group != "backbone"
                and verdict(results.difference(name, base)) == outcome
            ]
            if names:
                lines.append(f"Against **{base}**, {said}: {_named(names)}.")
    for name in (name for name in CURVES if name in results.recipes):
        euler, rk4 = (results.mean(name, Way(*way)) for way in (("euler", 1), ("rk4", 4)))
        lines.append(
            f"**{name}**: four RK4 steps of its field give {rk4['psnr'] - euler['psnr']:+.2f} dB "
            f"against one Euler step ({rk4['psnr']:.2f} and {euler['psnr']:.2f} dB), SSIM "
            f"{rk4['ssim'] - euler['ssim']:+.3f}."
        )
    return lines


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cost(name: str) -> int:
    """Evaluations of the field in all of a training, by those of `one step`."""
    return RECIPES[name].evaluations * RECIPES[name].longer


def _rows(results: Results) -> list[list[str]]:
    untouched = list(results.untouched().values())
    hazy = {score: np.mean([values[score] for values in untouched]) for score in untouched[0]}
    rows = [["hazy, untouched", "", "", "", "", *_scores(hazy), f"{hazy['sharpness']:.2f}"]]
    for name in results.recipes:
        recipe = RECIPES[name]
        mean = results.mean(name, recipe.own)
        seconds = np.mean([run.seconds for run in results.runs_of(name)])
        rows.append(
            [
                name,
                str(recipe.own),
                str(recipe.evaluations),
                str(results.config.train_steps * recipe.longer),
                f"{seconds:.0f}",
                *_scores(mean),
                f"{mean['sharpness']:.2f}",
            ]
        )
    return rows


def _scores(mean) -> list[str]:
    return [f"{mean[score]:.{digits}f}" for score, digits in _DIGITS.items()]


def _difference_table(results: Results, base: str, *, backbones: bool = False) -> str:
    """Backbones stand in a table of their own: they are no other way of training one network."""
    names = [
        name
        for name in results.recipes
        if name != base and (RECIPES[name].group == "backbone") == backbones
    ]
    rows = []
    for name in names:
        found = results.difference(name, base)
        cells = [_interval(found[score], digits) for score, digits in _DIGITS.items()]
        rows.append([name, *cells, verdict(found)])
    return markdown_table(["recipe", *_TITLES.values(), "verdict"], rows)


def _interval(difference: Difference, digits: int) -> str:
    mean, low, high = (
        f"{value:+.{digits}f}" for value in (difference.mean, difference.low, difference.high)
    )
    return f"{mean} [{low}, {high}]"


def _other_ways(results: Results) -> list[str]:
    rows = []
    for name in results.recipes:
        ways = (Way("euler", 1), Way("rk4", 4))
        cells = [" / ".join(_scores(results.mean(name, way))) for way in ways]
        rows.append([name, *cells])
    text = "Every recipe, whatever it is meant for, by one Euler step and by four RK4 steps:"
    return [text, markdown_table(["recipe", "euler x 1", "rk4 x 4"], rows)]


def _control_rows(results: Results) -> list[list[str]]:
    rows = []
    for name in results.recipes:
        for control in results.runs_of(name)[0].controls:
            rows.append([name, control, *_scores(results.control(name, control))])
    return rows


def _group_table(results: Results) -> str:
    pictures = results.untouched()
    dense = results.dense()
    groups: dict[str, set[str]] = {}
    for name in (*SETS, "rendered"):
        groups[name] = {picture for picture in pictures if set_of(picture) == name}
    groups |= {"dense": dense, "thin": set(pictures) - dense}
    groups = {name: ids for name, ids in groups.items() if ids}
    rows = []
    for recipe in (ONE_STEP, *CURVES[1:]):
        if recipe in results.recipes:
            cells = [_in_group(results, recipe, ids) for ids in groups.values()]
            rows.append([recipe, *cells])
    return markdown_table(["recipe", *(f"{n} ({len(i)})" for n, i in groups.items())], rows)


def _in_group(results: Results, recipe: str, ids: set[str]) -> str:
    seen = ids & set(results.ids(recipe))
    if not seen:
        return ""
    return " / ".join(_scores(results.mean(recipe, RECIPES[recipe].own, seen)))


def _backbones(results: Results) -> Sequence[str]:
    names = [name for name in results.recipes if RECIPES[name].group == "backbone"]
    if not names or SOLVER not in results.recipes:
        return []
    rows = []
    for name in (SOLVER, *names):
        run = results.runs_of(name)[0]
        rows.append(
            [
                RECIPES[name].method.get("backbone", results.config.backbone),
                f"{run.parameters:,}",
                *_scores(results.mean(name, RECIPES[name].own)),
                f"{np.mean([r.seconds for r in results.runs_of(name)]):.0f}",
                f"{np.median(run.large):.2f}" if run.large else "",
            ]
        )
    height, width = results.config.large
    header = ["backbone", "parameters", *_TITLES.values(), "CPU s", f"s at {width} x {height}"]
    return [
        "## Backbones",
        "The recipe `RK4` with the same steps and pictures; the last column is the median of three "
        "after one that compiles, one RK4 step.",
        markdown_table(header, rows),
        f"Differences from `{SOLVER}`, whose backbone is {results.config.backbone}:",
        _difference_table(results, SOLVER, backbones=True),
    ]
