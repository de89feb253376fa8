"""The page of the study. Every sentence is made from figures by a rule that it states."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from studies.records import machine_line, markdown_table
from uhd_study.config import WAYS, StudyConfig

from dehaze_jax import restoring

Results: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By weights and way: `seconds` and `megabytes`, and `scores`, one dictionary a picture."""

SCORES = {"psnr": ("PSNR dB", 2), "ssim": ("SSIM", 4), "ciede2000": ("CIEDE2000", 2)}
_LOWER_IS_BETTER = ("ciede2000",)
_SEEN = 0.05
"""dB: less is called the same."""


def mean(scores: Sequence[Mapping[str, float]], name: str) -> float:
    """Of one score over pictures."""
    return statistics.fmean(score[name] for score in scores)


def as_markdown(
    results: Results, hazy: Sequence[Mapping[str, float]], config: StudyConfig, variant: str
) -> str:
    """The whole page.

    Args:
        results: what was measured.
        hazy: scores of the untouched pictures.
        config: what was done.
        variant: its name.
    """
    untouched = ", ".join(
        f"{title} {mean(hazy, name):.{digits}f}" for name, (title, digits) in SCORES.items()
    )
    shares = ", ".join(f"{share:g}" for share in config.transmission)
    parts = [
        f"# Dehazing at {config.width} x {config.height}: full size, reduced, or in tiles",
        f"Variant `{variant}`. {machine_line()}. Every figure is from `results.json` beside this "
        "page, made by:",
        f"```sh\npython experiments/uhd_study/run.py --variant {variant} --output DIR\n```",
        f"Rendered haze on {config.scenes} procedural scenes of exact depth; transmission at the "
        f"median depth {shares}, in turn. Means over the pictures, protocol `rgb-full`. The "
        f"untouched hazy pictures have {untouched}. Reduced: {config.reduction} times along each "
        f"side, and cubic splines up. Tiles: {config.tile} pixels, {config.overlap} shared. Time "
        "is the median of single pictures, 8 bits to 8 bits, after one that compiles; memory the "
        "peak of a process that does nothing else.",
        "## What was found",
        f"Less than {_SEEN} dB is called the same.",
        "\n".join(f"* {line}" for line in findings(results)),
        "## Figures",
        _table(results),
        "A part of the first picture, at full size.",
        "![parts of the first picture](pictures.png)",
    ]
    return "\n\n".join(parts) + "\n"


def findings(results: Results) -> list[str]:
    """How the other ways compare with full size, for each of the weights."""
    lines = []
    for weights, ways in results.items():
        full = ways.get("full size")
        if full is None:
            continue
        for way in (way for way in ways if way != "full size"):
            other = ways[way]
            gain = mean(other["scores"], "psnr") - mean(full["scores"], "psnr")
            each = [
                a["psnr"] - b["psnr"] for a, b in zip(other["scores"], full["scores"], strict=True)
            ]
            told = "the same PSNR" if abs(gain) < _SEEN else f"{gain:+.2f} dB"
            lines.append(
                f"**{weights}, {way}** against full size: {told} ({min(each):+.2f} to "
                f"{max(each):+.2f} over the pictures), "
                f"SSIM {mean(other['scores'], 'ssim') - mean(full['scores'], 'ssim'):+.4f}, "
                f"{other['seconds'] / full['seconds']:.2f} times the time, "
                f"{other['megabytes'] / full['megabytes']:.2f} times the memory."
            )
    return lines


def _table(results: Results) -> str:
    header = ["weights, way", *(title for title, _ in SCORES.values()), "s", "MB"]
    rows = []
    for weights, ways in results.items():
        for way in (way for way in WAYS if way in ways):
            found = ways[way]
            cells = [
                f"{mean(found['scores'], name):.{digits}f}" for name, (_, digits) in SCORES.items()
            ]
            rows.append(
                [
                    f"{weights}, {way}",
                    *cells,
                    f"{found['seconds']:.2f}",
                    f"{found['megabytes']:.0f}",
                ]
            )
    return markdown_table(header, rows)


def sheet(rows: Sequence[Mapping[str, np.ndarray]], *, side: int) -> np.ndarray:
    """The middle of pictures, a row for each of the weights, as they are: nothing is resized."""
    lines = []
    for pictures in rows:
        parts = {}
        for label, picture in pictures.items():
            height, width = picture.shape[:2]
            top, left = max(height - side, 0) // 2, max(width - side, 0) // 2
            parts[label] = picture[top : top + side, left : left + side]
        lines.append(restoring.side_by_side(parts))
    return np.concatenate(lines)
