"""Paired differences over pictures, with bootstrap intervals over their scenes."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

BETTER = {"psnr": 1, "ssim": 1, "ciede2000": -1}
"""1 where more is better."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """How one recipe's pictures score against another's.

    Attributes:
        mean: over pictures; its sign is such that more is better for every score.
        low: lower end of the interval of 95 %.
        high: upper end.
    """

    mean: float
    low: float
    high: float


def bootstrap(
    differences: ArrayLike, scenes: Sequence[str], *, resamples: int, seed: int = 0
) -> Difference:
    """The mean of paired differences with its percentile interval over scenes.

    Pictures of one scene are alike, so scenes are drawn, each with all of its pictures.

    Args:
        differences: one a picture.
        scenes: that of each picture.
        resamples: how often as many scenes as there are are drawn.
        seed: of the draws.

    References: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; Davison
    and Hinkley, Bootstrap Methods and their Application (1997), section 3.8.
    """
    values = np.asarray(differences, np.float64)
    _, scene = np.unique(list(scenes), return_inverse=True)
    sums, counts = np.bincount(scene, values), np.bincount(scene)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(sums), (resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Difference(mean=float(values.mean()), low=float(low), high=float(high))


def compare(
    ours: Mapping[str, Sequence[float]],
    theirs: Mapping[str, Sequence[float]],
    scenes: Sequence[str],
    *,
    resamples: int,
) -> dict[str, Difference]:
    """Differences of the scores of the same pictures, `ours` minus `theirs`."""
    return {
        score: bootstrap(
            sign * (np.asarray(ours[score]) - np.asarray(theirs[score])),
            scenes,
            resamples=resamples,
        )
        for score, sign in BETTER.items()
    }


def verdict(found: Mapping[str, Difference]) -> str:
    """`pays`: surely better in a score, and surely worse in none; `costs` the other way round.

    Surely is said of an interval that does not hold zero. Both at once are `mixed`, none `open`.
    """
    better = any(difference.low > 0 for difference in found.values())
    worse = any(difference.high < 0 for difference in found.values())
    return {(1, 0): "pays", (0, 1): "costs", (1, 1): "mixed", (0, 0): "open"}[better, worse]
