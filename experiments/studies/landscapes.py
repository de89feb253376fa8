"""Rendered landscapes that a study trains and scores on. Nothing is downloaded."""

import dataclasses
import pathlib

import numpy as np
import rich.console
import rich.progress

from dehaze_jax import data, image


@dataclasses.dataclass(frozen=True, kw_only=True)
class Landscapes:
    """Which landscapes."""

    height: int = 144
    """Rows."""
    width: int = 192
    """Columns."""
    scenes: int = 24
    """Scenes; training, validation and test share none."""
    hazes: int = 4
    """Hazy pictures of each scene."""
    seed: int = 0
    """Of scenes and haze."""


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pictures of one size in one array.

    Attributes:
        ids: names of the pairs.
        hazy: `[b, h, w, 3]` float32 in [0, 1].
        clear: the same.
        fingerprint: of the set that they are from.
    """

    ids: tuple[str, ...]
    hazy: np.ndarray
    clear: np.ndarray
    fingerprint: str


def prepare(landscapes: Landscapes, folder: pathlib.Path, console: rich.console.Console) -> str:
    """Prepares them below `folder` unless that was done before; returns where."""
    values = "-".join(map(str, dataclasses.astuple(landscapes)))
    target = folder / f"landscapes-{values}"
    if not target.exists():
        with rich.progress.Progress(console=console, transient=True) as bars:
            task = bars.add_task("rendering landscapes", total=None)
            data.prepare(
                "rendered_haze/landscapes",
                target,
                size=(landscapes.height, landscapes.width),
                scenes=landscapes.scenes,
                hazes=landscapes.hazes,
                seed=landscapes.seed,
                progress=lambda done, total: bars.update(task, completed=done, total=total),
            )
    return str(target)


def load_pairs(prepared: str, split: str, count: int | None = None) -> Pairs:
    """`count` pairs spread evenly over a split, or all of them."""
    source = data.open_prepared(prepared, split)
    count = len(source) if count is None else min(count, len(source))
    chosen = np.linspace(0, len(source) - 1, count).round().astype(int)
    examples = [source[index] for index in chosen.tolist()]
    return Pairs(
        ids=tuple(example.id for example in examples),
        hazy=np.stack([image.to_float(example.hazy) for example in examples]),
        clear=np.stack([image.to_float(example.clear) for example in examples]),
        fingerprint=source.fingerprint,
    )
