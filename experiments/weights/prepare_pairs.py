"""Prepares every paired data set below a folder: one prepared directory for each.

    python experiments/weights/prepare_pairs.py --from DATA --to prepared [--bad skip]

DATA holds one folder a data set, each with `train/`, `val/` and `eval/`, and in these `hazy/` and
`clear/`.
"""

import argparse
import pathlib
import sys

from dehaze_jax import data
from dehaze_jax.errors import InputError


def main() -> None:
    """Runs the script."""
    parser = argparse.ArgumentParser(description="Prepares paired data sets.")
    parser.add_argument("--from", dest="source", type=pathlib.Path, required=True)
    parser.add_argument("--to", type=pathlib.Path, required=True)
    parser.add_argument("--bad", choices=("fail", "skip"), default="fail")
    arguments = parser.parse_args()
    folders = sorted(arguments.source.glob("*/train/hazy"))
    if not folders:
        parser.error(f"{arguments.source}: holds no data set with train/hazy/")
    for folder in folders:
        name = folder.parents[1].name
        target = arguments.to / name
        if target.exists():
            print(f"{name}: is there")
            continue
        try:
            data.prepare("paired_folder", target, source=folder.parents[1], bad=arguments.bad)
        except InputError as error:
            sys.exit(str(error))
        print(f"{name}: prepared in {target}")


if __name__ == "__main__":
    main()
