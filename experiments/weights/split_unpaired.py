"""Makes unpaired training pictures of paired ones: hazy ones of some scenes, clear ones of others.

    python experiments/weights/split_unpaired.py --from DATA --to unpaired [--seed 0]

DATA holds one folder a data set, each with `train/hazy/` and `train/clear/`, and MANIFEST.csv with
the columns file, dataset, use, role and scene_group. The scenes are dealt out once for all sets,
because some were photographed for several; those that the same sets share are halved as evenly as
can be. `unpaired/<set>/hazy` and `unpaired/<set>/clear` hold symbolic links.
"""

import argparse
import collections
import csv
import pathlib
from collections.abc import Collection

import numpy as np

SETS = ("o-haze_800", "i-haze_800", "nh-haze_800", "nh-haze2_800", "sots-outdoor", "sots-indoor")


def deal(scenes: dict[str, tuple[str, ...]], *, seed: int) -> dict[str, str]:
    """Deals scenes out, half for their hazy and half for their clear pictures.

    Args:
        scenes: the sets that each scene is in.
        seed: of the deal.

    Returns:
        `hazy` or `clear` for each scene. The numbers of the two differ by one at most, over all
        scenes and over those of the same sets.
    """
    order = np.random.default_rng(seed).permutation(sorted(scenes))
    together = sorted(order, key=lambda scene: scenes[scene])
    return {str(scene): ("hazy", "clear")[place % 2] for place, scene in enumerate(together)}


def read_manifest(path: pathlib.Path, sets: Collection[str]) -> list[dict[str, str]]:
    """Rows of the training pictures of some data sets."""
    with path.open(newline="") as file:
        return [
            row
            for row in csv.DictReader(file)
            if row["dataset"] in sets and row["use"] == "train" and row["role"] in ("hazy", "clear")
        ]


def main() -> None:
    """Runs the script."""
    parser = argparse.ArgumentParser(description="Makes unpaired training pictures of paired ones.")
    parser.add_argument("--from", dest="source", type=pathlib.Path, required=True)
    parser.add_argument("--to", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sets", nargs="+", default=SETS)
    arguments = parser.parse_args()
    manifest = arguments.source / "MANIFEST.csv"
    if not manifest.is_file():
        parser.error(f"{manifest}: does not exist")
    if arguments.to.exists() and (not arguments.to.is_dir() or any(arguments.to.iterdir())):
        # Links of another deal would put scenes on both sides.
        parser.error(f"{arguments.to}: exists and is not an empty folder")

    rows = read_manifest(manifest, arguments.sets)
    for name in arguments.sets:
        if not any(row["dataset"] == name for row in rows):
            parser.error(f"{manifest}: names no training pictures of {name}")
    members = collections.defaultdict(set)
    for row in rows:
        members[row["scene_group"]].add(row["dataset"])
    sides = deal({scene: tuple(sorted(of)) for scene, of in members.items()}, seed=arguments.seed)

    chosen = [row for row in rows if row["role"] == sides[row["scene_group"]]]
    for row in chosen:
        if not (arguments.source / row["file"]).is_file():
            parser.error(f"{arguments.source / row['file']}: does not exist")
    for row in chosen:
        picture = (arguments.source / row["file"]).resolve()
        link = arguments.to / row["dataset"] / row["role"] / pathlib.Path(row["file"]).name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(picture)
    for name in (*arguments.sets, "all"):
        counts = {
            role: [row for row in chosen if row["role"] == role and name in (row["dataset"], "all")]
            for role in ("hazy", "clear")
        }
        told = (
            f"{len(of)} {role} pictures of {len({row['scene_group'] for row in of})} scenes"
            for role, of in counts.items()
        )
        print(f"{name}: {', '.join(told)}")


if __name__ == "__main__":
    main()
