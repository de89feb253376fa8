"""Train, validation and test parts that share no scene."""

from collections.abc import Iterable

import numpy as np

SPLITS = ("train", "validation", "test")


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
