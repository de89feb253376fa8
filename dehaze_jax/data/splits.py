"""Train, validation and test parts that share no scene."""

import dataclasses
import re
from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

import numpy as np

SPLITS = ("train", "validation", "test")

_NUMBER = re.compile(r"\d+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ByNumber:
    """Deals pictures out by the first number in their file names; those of no split are left out.

    Attributes:
        train: numbers of the training pictures.
        validation: of the validation pictures.
        test: of the test pictures.
    """

    train: Collection[int] = ()
    validation: Collection[int] = ()
    test: Collection[int] = ()


@dataclasses.dataclass(frozen=True)
class ByScene:
    """Deals scenes out at random, a tenth each to validation and test; a seed decides."""


Deal: TypeAlias = ByNumber | ByScene


def deal_out(
    names: Sequence[str], scenes: Sequence[str], deal: Deal, *, seed: int
) -> list[str | None]:
    """The split of each picture, or None for those that are left out.

    Args:
        names: file names of the pictures.
        scenes: what each picture shows; no scene is in two splits.
        deal: by what they are dealt out.
        seed: of the deal by scene.
    """
    if isinstance(deal, ByScene):
        dealt = split_scenes(scenes, seed=seed)
        split_of = {scene: split for split, members in dealt.items() for scene in members}
        return [split_of[scene] for scene in scenes]
    by_number = {number: split for split in SPLITS for number in getattr(deal, split)}
    numbers = (_NUMBER.search(name) for name in names)
    return [by_number.get(int(number[0])) if number else None for number in numbers]


def split_scenes(scenes: Iterable[str], *, seed: int) -> dict[str, list[str]]:
    """Deals scenes out at random: a tenth each to validation and test, but at least one.

    Args:
        scenes: names of scenes; repeated names count once.
        seed: of the deal.

    Returns:
        Sorted names by split. Fewer than three scenes are all for training; no split is empty.
    """
    names = sorted(set(scenes))
    if len(names) < 3:
        return {"train": names}
    order = np.random.default_rng(seed).permutation(len(names))
    held = max(1, round(0.1 * len(names)))
    parts = {"validation": order[:held], "test": order[held : 2 * held], "train": order[2 * held :]}
    return {split: sorted(names[number] for number in parts[split]) for split in SPLITS}
