"""Trainings and their scores, and what a change means beside the spread of seeds."""

import dataclasses
import math
import statistics
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
from lut_study.config import CHANGES, DEFAULT, StudyConfig
from studies.landscapes import Pairs

import dehaze_jax
from dehaze_jax import metrics, restoring, training

PROTOCOL = "rgb-full"
SCORES = ("psnr", "ssim", "ciede2000")
_LOWER_IS_BETTER = ("ciede2000",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One training."""

    change: str
    group: str
    seed: int
    parameters: int
    lut_parameters: int
    psnr: float
    """dB on the validation pictures, mean over them, protocol `rgb-full`; so are the next two."""
    ssim: float
    ciede2000: float
    seconds: float
    """Training, compiling included; of little meaning for a run that was gone on with."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Effect:
    """What a change did to one score, over all seeds.

    Attributes:
        mean: of the changed trainings.
        spread: their largest minus their smallest.
        difference: their mean minus that of the default.
        verdict: `better`, `worse`, or `within the spread`: better or worse means that all trainings
            with the change lie on one side of all trainings of the default.
    """

    mean: float
    spread: float
    difference: float
    verdict: str


def train_and_score(
    config: StudyConfig,
    name: str,
    seed: int,
    prepared: str,
    workdir: str,
    pairs: Pairs,
    console: rich.console.Console,
) -> Row:
    """Trains with one change and one seed, or goes on with it, and scores the result."""
    change = next(change for change in CHANGES if change.name == name)
    start = time.perf_counter()
    training.train(config.train_config(change, seed, prepared, workdir), console=console)
    seconds = time.perf_counter() - start
    restorer = dehaze_jax.load(workdir)
    variables = restorer.variables
    return Row(
        change=name,
        group=change.group,
        seed=seed,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(variables)),
        lut_parameters=variables["lut"].size if "lut" in variables else 0,
        seconds=seconds,
        **scores(restore(restorer, pairs.hazy), pairs.clear),
    )


def restore(restorer: restoring.Restorer, hazy: np.ndarray) -> np.ndarray:
    """All pictures of a batch."""
    return np.stack([restorer(picture) for picture in hazy])


def scores(restored: np.ndarray, clear: np.ndarray) -> dict[str, float]:
    """Mean scores of a batch under the protocol of the study."""
    values = metrics.score(PROTOCOL, jnp.asarray(restored), jnp.asarray(clear))
    return {name: float(jnp.mean(values[name])) for name in SCORES}


def effect(rows: Sequence[Row], change: str, score: str) -> Effect:
    """Compares a change with the default."""
    with_change = [getattr(row, score) for row in rows if row.change == change]
    default = [getattr(row, score) for row in rows if row.change == DEFAULT]
    sign = -1 if score in _LOWER_IS_BETTER else 1
    verdict = "within the spread"
    if min(sign * value for value in with_change) > max(sign * value for value in default):
        verdict = "better"
    elif max(sign * value for value in with_change) < min(sign * value for value in default):
        verdict = "worse"
    mean = statistics.fmean(with_change)
    return Effect(
        mean=mean,
        spread=max(with_change) - min(with_change),
        difference=mean - statistics.fmean(default),
        verdict=verdict,
    )


def chance(seeds: int) -> float:
    """Probability that a change without any effect is called better or worse on one score."""
    return 2 / math.comb(2 * seeds, seeds)
