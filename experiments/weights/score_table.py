"""The scores of weights that ship, from their card, as the Markdown table of the README.

    python experiments/weights/score_table.py --sets o-haze_800 i-haze_800 [--names bilateral]

Every line is one data set, under one protocol, on the pictures that training has not seen.
"""

import dataclasses
import sys

import tyro

from dehaze_jax import storage


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Print the scores of weights that ship as Markdown."""

    sets: tuple[str, ...]
    """Data sets, in order."""
    names: tuple[str, ...] = ("dehazeflow", "dehazeflow-tiny", "bilateral", "nedr")
    """Names of the weights."""
    protocol: str = "rgb-full"
    """Id of the protocol."""


def main(options: Options) -> None:
    """Prints the table: PSNR dB / SSIM / CIEDE2000, as far as the protocol has them."""
    cards = [storage.find_weights(name).card for name in options.names]
    scores = {name: {} for name in options.sets}
    for card in cards:
        for name in options.sets:
            scores[name] |= card["scores"][name]
    methods = list(next(iter(scores.values())))
    lines = [
        f"| test split (pictures) | {' | '.join(methods)} |",
        f"| --- |{' --- |' * len(methods)}",
    ]
    for name in options.sets:
        by_method = scores[name]
        cells = []
        for method in methods:
            values = {
                score.removeprefix(f"{options.protocol}/"): value
                for score, value in by_method[method].items()
                if score.startswith(f"{options.protocol}/")
            }
            digits = {"psnr": 2, "ssim": 3, "ciede2000": 1}
            cells.append(" / ".join(f"{values[k]:.{d}f}" for k, d in digits.items() if k in values))
        lines.append(f"| {name} ({cards[0]['data'][name]['test']}) | {' | '.join(cells)} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
