"""Prepares every paired data set below a folder: one prepared directory for each.

    python experiments/weights/prepare_pairs.py --from DATA --to prepared

DATA holds one folder a data set, each with `train/`, `val/` and `eval/`, and in these `hazy/` and
`clear/`.
"""

import argparse
import pathlib

from dehaze_jax import data


def main() -> None:
    """Runs the script."""
    parser = argparse.ArgumentParser(description="Prepares paired data sets.")
    parser.add_argument("--from", dest="source", type=pathlib.Path, required=True)
    parser.add_argument("--to", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    for folder in sorted(arguments.source.glob("*/train/hazy")):
        name = folder.parents[1].name
        target = arguments.to / name
        if not target.exists():
            data.prepare("paired_folder", target, source=folder.parents[1])
            print(f"{name}: prepared in {target}")


if __name__ == "__main__":
    main()
