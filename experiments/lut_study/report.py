"""The page of the LUT ablation. Every sentence is made from figures by a rule that it states."""

from collections.abc import Sequence

from lut_study.config import CHANGES, DEFAULT
from lut_study.measuring import PROTOCOL, SCORES, Row, chance, effect
from studies.records import machine_line, markdown_table

_DIGITS = {"psnr": 2, "ssim": 4, "ciede2000": 2}
_TITLES = {"psnr": "PSNR dB", "ssim": "SSIM", "ciede2000": "CIEDE2000"}


def as_markdown(
    rows: Sequence[Row], hazy: dict[str, float], pictures: int, steps: int, variant: str
) -> str:
    """The whole page.

    Args:
        rows: all trainings.
        hazy: scores of the untouched pictures.
        pictures: number of validation pictures.
        steps: of each training.
        variant: name of the config.
    """
    seeds = len({row.seed for row in rows})
    untouched = ", ".join(f"{_TITLES[name]} {hazy[name]:.{_DIGITS[name]}f}" for name in SCORES)
    parts = [
        "# The Haze-LUT: what matters",
        f"Variant `{variant}`. {machine_line()}. Every figure is from `results.csv` and "
        "`results.json` beside this page, written by the same run.",
        f"Each line changes one thing of the default and is trained with {seeds} seeds for {steps} "
        f"steps on rendered landscapes; scores are means over {pictures} validation pictures under "
        f"protocol `{PROTOCOL}`. The untouched hazy pictures have {untouched}.",
        "## What was found",
        "\n".join(f"* {line}" for line in findings(rows)),
        "![PSNR by change](psnr.png)",
        "## Scores",
        "Mean over the seeds, and in brackets the largest minus the smallest.",
        _table(rows),
        "The first validation picture, restored by the trainings with the first seed.",
        "![pictures](pictures.png)",
    ]
    return "\n\n".join(parts) + "\n"


def findings(rows: Sequence[Row]) -> list[str]:
    """What every change did, in words."""
    by_chance = chance(len({row.seed for row in rows}))
    present = {row.change for row in rows} - {DEFAULT}
    compared = len(present) * len(SCORES)
    expected = by_chance * compared
    lines = [
        "A change is called better or worse on a score only if all its trainings lie on one side "
        "of all trainings of the default. A change without any effect is called so with "
        f"probability {by_chance:.2g}: of the {compared} comparisons here {expected:.1f} are to be "
        "expected by chance. Everything else lies within the spread of seeds."
    ]
    for name in (change.name for change in CHANGES if change.name in present):
        effects = {score: effect(rows, name, score) for score in SCORES}
        told = [
            f"{found.verdict} in {_TITLES[score]} by {abs(found.difference):.{_DIGITS[score]}f}"
            for score, found in effects.items()
            if found.verdict != "within the spread"
        ]
        rest = [_TITLES[score] for score in SCORES if effects[score].verdict == "within the spread"]
        if rest:
            told.append(f"within the spread of seeds in {', '.join(rest)}")
        lines.append(f"**{name}**: {'; '.join(told)}.")
    return lines


def _table(rows: Sequence[Row]) -> str:
    header = ["change", "parameters", "of the LUT", *(_TITLES[name] for name in SCORES)]
    lines = []
    for change in CHANGES:
        own = [row for row in rows if row.change == change.name]
        if not own:
            continue
        cells = []
        for score in SCORES:
            found = effect(rows, change.name, score)
            digits = _DIGITS[score]
            cells.append(f"{found.mean:.{digits}f} ({found.spread:.{digits}f})")
        counts = [str(own[0].parameters), str(own[0].lut_parameters)]
        lines.append([change.name, *counts, *cells])
    return markdown_table(header, lines)
