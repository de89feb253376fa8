"""The page of the study, and its plot."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from bilateral_study.config import PROTOCOL
from matplotlib.figure import Figure
from studies.records import machine_line, markdown_table

TOLERANCE = 0.3
"""dB by which the slim network may lie below the released one."""

_COLOURS = {"released": "#D55E00", "slim": "#0072B2", "slim, longer": "#009E73"}


def plot(budget: Sequence[dict[str, Any]]) -> Figure:
    """PSNR of the trainings at one budget against CPU seconds."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for result in budget:
        seconds, psnr = zip(*((p["seconds"], p["psnr"]) for p in result["points"]), strict=True)
        label = f"{result['name']}, {result['steps']} steps"
        axes.plot(seconds, psnr, "o-", color=_COLOURS[result["name"]], label=label)
    axes.axhline(budget[0]["hazy"]["psnr"], color="#57606a", linestyle=":", label="hazy, untouched")
    axes.set(xscale="log", xlabel="CPU seconds in training steps", ylabel="validation PSNR, dB")
    axes.grid(color="#d0d7de", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def page(results: Sequence[dict[str, Any]], variant: str) -> str:
    """The report. Every sentence is made from figures by a rule that it states."""
    parts = [
        "# Bilateral learning: slim or released, and SSIM in the loss",
        f"Variant `{variant}`. {machine_line()}. Every figure is from `results.json` beside this "
        "page, made by:",
        f"```sh\npython experiments/bilateral_study/run.py --variant {variant} --output DIR\n```",
    ]
    budget, loss = (
        [result for result in results if result["part"] == part] for part in ("budget", "loss")
    )
    if budget:
        parts += [
            "## One budget",
            f"One loss, one seed, {_setting(budget[0])} CPU seconds are those of the process in "
            "training steps, without compiling and scoring.",
            "\n".join(f"* {line}" for line in budget_findings(budget)),
            "![PSNR against CPU seconds](psnr.png)",
            markdown_table(
                ["network", "parameters", "step", "images", "CPU seconds", "PSNR dB", "SSIM"],
                _budget_rows(budget),
            ),
        ]
    if loss:
        parts += [
            "## Loss",
            "The slim network; the loss is the mean absolute error and (1 - SSIM) by its weight; "
            f"{loss[0]['steps']} steps, {_setting(loss[0])} Mean over the seeds, and in brackets "
            "each of them.",
            "\n".join(f"* {line}" for line in loss_findings(loss)),
            markdown_table(["weight of SSIM", "PSNR dB", "SSIM"], _loss_rows(loss)),
        ]
    return "\n\n".join(parts) + "\n"


def _setting(result: dict[str, Any]) -> str:
    pictures, hazy = result["config"]["data"], result["hazy"]
    return (
        f"batch {pictures['batch_size']}, crops of {pictures['crop_size']}; scores under "
        f"`{PROTOCOL.id}`, mean over {result['pictures']} validation pictures. The untouched hazy "
        f"pictures have {hazy['psnr']:.2f} dB and SSIM {hazy['ssim']:.4f}."
    )


def budget_findings(budget: Sequence[dict[str, Any]]) -> list[str]:
    """How trainings of the slim network compare with the released one, at their ends."""
    by_name = {result["name"]: result for result in budget}
    if "released" not in by_name:
        return []
    released = by_name.pop("released")
    end = released["points"][-1]
    lines = []
    trained = end["psnr"] > released["hazy"]["psnr"]
    if not trained:
        lines.append(
            "The released network ends below the untouched hazy pictures: this budget does not "
            "train it, and nothing here says which of two trained networks is better."
        )
    for name, result in by_name.items():
        last = result["points"][-1]
        gain = last["psnr"] - end["psnr"]
        verdict = "not lower" if gain >= -TOLERANCE else "lower"
        verdict = f", {verdict} by more than {TOLERANCE} dB" if trained else ""
        lines.append(
            f"**{name}**: {gain:+.2f} dB against the released network{verdict}; "
            f"{result['steps']} steps against {released['steps']}, "
            f"{last['seconds']:.0f} CPU seconds against {end['seconds']:.0f}."
        )
    return lines


def loss_findings(loss: Sequence[dict[str, Any]]) -> list[str]:
    """What each weight did against the first one."""
    by_weight = _by_weight(loss)
    base = next(iter(by_weight))
    lines = []
    for name in list(by_weight)[1:]:
        told = []
        for score, digits in (("psnr", 2), ("ssim", 4)):
            new, old = ([point[score] for point in by_weight[n]] for n in (name, base))
            verdict = "within the spread of seeds"
            if len(new) == 1:
                verdict = "one seed"
            elif min(new) > max(old):
                verdict = "better"
            elif max(new) < min(old):
                verdict = "worse"
            told.append(f"{score.upper()} {np.mean(new) - np.mean(old):+.{digits}f} ({verdict})")
        lines.append(
            f"**{name}** against {base}: {', '.join(told)}; better or worse means that all seeds "
            "with the one weight lie on one side of all with the other."
        )
    return lines


def _by_weight(loss: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, float]]]:
    """Last points of the trainings with each weight, a point for each seed."""
    found: dict[str, list[dict[str, float]]] = {}
    for result in loss:
        found.setdefault(result["name"], []).append(result["points"][-1])
    return found


def _budget_rows(budget: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    for result in budget:
        batch = result["config"]["data"]["batch_size"]
        for point in result["points"]:
            counts = (result["parameters"], point["step"], point["step"] * batch)
            seconds, psnr, ssim = (point[name] for name in ("seconds", "psnr", "ssim"))
            yield [
                result["name"],
                *map(str, counts),
                f"{seconds:.0f}",
                f"{psnr:.2f}",
                f"{ssim:.4f}",
            ]


def _loss_rows(loss: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    for weight, points in _by_weight(loss).items():
        cells = [weight]
        for score, digits in (("psnr", 2), ("ssim", 4)):
            values = [point[score] for point in points]
            each = ", ".join(f"{value:.{digits}f}" for value in values)
            cells.append(f"{np.mean(values):.{digits}f} ({each})")
        yield cells
