"""Scores of one evaluation, and their tables."""

import csv
import dataclasses
import io
import math
import platform
import statistics
from collections.abc import Mapping
from importlib import metadata
from typing import Any, TypeAlias

import jax

from dehaze_jax.errors import InputError
from dehaze_jax.evaluation.baselines import BASELINES, HAZY
from dehaze_jax.metrics.protocols import PROTOCOLS

LPIPS = "lpips-alex"
"""Stands where ids of protocols do: LPIPS by AlexNet, of pictures rounded to 8 bit."""

Scores: TypeAlias = Mapping[str, Mapping[str, float]]
"""`scores[protocol id][score name]`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """Scores of one method on one picture.

    Attributes:
        id: of the pair.
        method: of `Report.methods`.
        seconds: time of restoring; the first picture of a size includes compilation.
        scores: under every protocol.
    """

    id: str
    method: str
    seconds: float
    scores: Scores


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that one evaluation found.

    Attributes:
        dataset: name of the set; sets are never mixed.
        fingerprint: of its content.
        protocols: their ids, or `LPIPS`; the first one ranks the pictures.
        methods: baselines first.
        rows: one per pair and method.
        skipped: pairs that could not be scored, with the reason. They are left out for all methods.
        about: free-form facts on the methods, such as the card of the weights.
    """

    dataset: str
    fingerprint: str
    protocols: tuple[str, ...]
    methods: tuple[str, ...]
    rows: tuple[Row, ...]
    skipped: tuple[InputError, ...] = ()
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, ...]:
        """Pairs that were scored, in order."""
        return tuple(dict.fromkeys(row.id for row in self.rows))

    @property
    def shown(self) -> str:
        """The method that the page is about: the first that is no baseline."""
        models = [name for name in self.methods if name not in BASELINES]
        return models[0] if models else self.methods[-1]

    def values(self, method: str, protocol: str, score: str) -> tuple[float, ...]:
        """One score of one method on every picture, in the order of `ids`."""
        return tuple(row.scores[protocol][score] for row in self.rows if row.method == method)

    def gains(self) -> dict[str, float]:
        """PSNR of the shown method over the hazy picture in dB, by id, the worst first."""
        psnr = (self.values(name, self.protocols[0], "psnr") for name in (self.shown, HAZY))
        gains = {
            id: restored - hazy if restored != hazy else 0.0  # both may be infinite
            for id, restored, hazy in zip(self.ids, *psnr, strict=True)
        }
        return dict(sorted(gains.items(), key=lambda item: item[1]))

    def summary(self) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
        """`summary[method][protocol][score]` has `mean` and `median` over the pictures."""
        return {
            method: {
                protocol: {
                    score: {
                        "mean": statistics.fmean(self.values(method, protocol, score)),
                        "median": statistics.median(self.values(method, protocol, score)),
                    }
                    for score in scores_of(protocol)
                }
                for protocol in self.protocols
            }
            for method in self.methods
        }

    def seconds(self) -> dict[str, float]:
        """Median time of a picture, by method."""
        return {
            method: statistics.median(row.seconds for row in self.rows if row.method == method)
            for method in self.methods
        }


def scores_of(protocol: str) -> tuple[str, ...]:
    """Names of what a protocol reports, in order."""
    return ("lpips",) if protocol == LPIPS else PROTOCOLS[protocol].scores


def as_csv(report: Report) -> str:
    """One line per picture and method; columns of scores are called `protocol/score`."""
    columns = [(protocol, score) for protocol in report.protocols for score in scores_of(protocol)]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["id", "method", "seconds", *(f"{a}/{b}" for a, b in columns)])
    for row in report.rows:
        scores = (f"{row.scores[protocol][score]:.6f}" for protocol, score in columns)
        lines.writerow([row.id, row.method, f"{row.seconds:.4f}", *scores])
    return text.getvalue()


def as_record(report: Report) -> dict[str, Any]:
    """What `summary.json` holds. Scores that are infinite, of equal pictures, become null."""
    return {
        "dataset": report.dataset,
        "fingerprint": report.fingerprint,
        "pairs": len(report.ids),
        "ids": list(report.ids),
        "skipped": [str(error) for error in report.skipped],
        "protocols": {
            name: {"id": LPIPS, "scores": scores_of(LPIPS), "rounding": True, "version": "0.1"}
            if name == LPIPS
            else dataclasses.asdict(PROTOCOLS[name])
            for name in report.protocols
        },
        "scores": _finite(report.summary()),
        "seconds": report.seconds(),
        "versions": {
            "dehaze-jax": _own_version(),
            "jax": jax.__version__,
            "python": platform.python_version(),
            "device": jax.devices()[0].device_kind,
        },
        "about": dict(report.about),
    }


def _own_version() -> str:
    try:
        return metadata.version("dehaze-jax")
    except metadata.PackageNotFoundError:  # run from a source tree
        return "not installed"


def _finite(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _finite(value) for key, value in tree.items()}
    return tree if math.isfinite(tree) else None
