"""Real pairs in parts that share no scene: a prepared directory for each part left out."""

import collections
import csv
import pathlib
import shutil
from collections.abc import Mapping, Sequence

import numpy as np
import rich.console

from dehaze_jax import data, image, storage
from dehaze_jax.errors import InputError

SETS = ("o-haze_800", "i-haze_800", "nh-haze_800", "nh-haze2_800")
"""Pairs with haze made by machines."""

_USES = ("train", "val")  # what is kept for the evaluation of a release is not touched


def deal(scenes: Mapping[str, int], count: int) -> dict[str, int]:
    """Deals scenes into parts of about as many pictures: the largest first, to the smallest part.

    Args:
        scenes: pictures of each scene.
        count: parts.

    Returns:
        The part of each scene.
    """
    sizes, part = [0] * count, {}
    for scene in sorted(scenes, key=lambda name: (-scenes[name], name)):
        part[scene] = int(np.argmin(sizes))
        sizes[part[scene]] += scenes[scene]
    return part


def read_manifest(source: pathlib.Path) -> list[dict[str, str]]:
    """Rows of the hazy pictures that may be trained or chosen on.

    Raises:
        InputError: there is no such file, or it names no such picture.
    """
    path = source / "MANIFEST.csv"
    if not path.is_file():
        raise InputError(path, "does not exist")
    with path.open(newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["dataset"] in SETS and row["use"] in _USES and row["role"] == "hazy"
        ]
    if not rows:
        raise InputError(path, f"names no pictures of {', '.join(SETS)}")
    return rows


def make_folds(
    source: pathlib.Path, folder: pathlib.Path, count: int, console: rich.console.Console
) -> list[str]:
    """Prepares the parts below `folder` unless they are there.

    Pictures are reduced to half their size. Directory k has part k as its validation split and all
    others as its training split.

    Args:
        source: holds one folder a data set, each with `train/` and `val/`, in these `hazy/` and
            `clear/`; and MANIFEST.csv with the columns file, dataset, use, role and scene_group.
        folder: where they go.
        count: parts.
        console: for a line each.

    Raises:
        InputError: the folder is not as it should be, or the parts there are of other pairs.
    """
    rows = read_manifest(source)
    dealt, said = folder / "pairs.json", {row["file"]: row["scene_group"] for row in rows}
    if not dealt.exists():
        storage.write_json(dealt, said)
    elif storage.read_json(dealt) != said:
        raise InputError(folder, f"holds parts of other pairs than those of {source}")
    part = deal(collections.Counter(row["scene_group"] for row in rows), count)
    targets = [folder / f"fold-{number}-of-{count}" for number in range(count)]
    for number, target in enumerate(targets):
        if not target.exists():
            pairs = folder / "pairs"
            shutil.rmtree(pairs, ignore_errors=True)
            held = {row["file"]: part[row["scene_group"]] == number for row in rows}
            _write_pairs(source, pairs, held)
            data.prepare("paired_folder", target, source=pairs)
            shutil.rmtree(pairs)
            told = f"{sum(held.values())} pairs left out of {len(held)}"
            console.print(f"{target}: {told}", highlight=False, soft_wrap=True)
    return [str(target) for target in targets]


def _write_pairs(source: pathlib.Path, folder: pathlib.Path, held: Mapping[str, bool]) -> None:
    for file, left_out in held.items():
        hazy = source / file
        clear = hazy.parents[1] / "clear" / hazy.name
        name = f"{_picture(file)}.png"
        for role, path in (("hazy", hazy), ("clear", clear)):
            target = folder / ("val" if left_out else "train") / role / name
            target.parent.mkdir(parents=True, exist_ok=True)
            image.write(target, _halved(image.read(path).pixels))


def _halved(pixels: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels; an odd row or column is cut off."""
    rows, columns = (length // 2 for length in pixels.shape[:2])
    cut = image.to_float(pixels)[: 2 * rows, : 2 * columns]
    means = cut.reshape(rows, 2, columns, 2, 3).mean(axis=(1, 3))
    return np.round(255 * means).astype(np.uint8)


def scenes_of(source: pathlib.Path) -> dict[str, str]:
    """The scene of every picture by its id."""
    return {_picture(row["file"]): row["scene_group"] for row in read_manifest(source)}


def _picture(file: str) -> str:
    """The id of a picture whose file is `SET/USE/hazy/NAME.suffix`."""
    path = pathlib.PurePosixPath(file)
    return f"{path.parts[0]}_{path.stem}"


def set_of(name: str, sets: Sequence[str] = SETS) -> str:
    """The data set of a picture, by its id."""
    return next((each for each in sets if name.startswith(each + "_")), "rendered")
