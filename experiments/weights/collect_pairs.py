r"""Collects the pairs that the weights were trained and scored on, from public repositories.

    git clone --bare https://github.com/OWNER/NAME clones/OWNER/NAME
    python experiments/weights/collect_pairs.py --clones clones --to DATA

`pairs.csv` beside this file names every picture: its set, split, role and scene, the repository,
commit and path that it is from, how it is stored, and its checksum. Without the clones the script
tells which are needed. The pictures are public for research; the repositories state no licence.
With Pillow 13.0 all files come out bit by bit as the weights were trained on; other versions may
pack PNGs otherwise and round JPEGs otherwise, which is told.

DATA receives a folder a data set, each with `train/`, `val/` and `eval/`, and in these `hazy/` and
`clear/`; and MANIFEST.csv, a copy of `pairs.csv`. Pictures that are there are left as they are.
"""

import argparse
import csv
import hashlib
import io
import pathlib
import subprocess
import sys

from PIL import Image

from dehaze_jax import storage
from dehaze_jax.errors import InputError

PAIRS = pathlib.Path(__file__).with_name("pairs.csv")

_ENCODINGS = {
    "PNG": {"optimize": True},
    "JPEG 93 4:4:4": {"quality": 93, "subsampling": 0},
}


def read_pictures(path: pathlib.Path) -> list[dict[str, str]]:
    """Rows of a list of pictures."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def missing_clones(pictures: list[dict[str, str]], clones: pathlib.Path) -> list[str]:
    """Repositories that some pictures are from and that have no folder."""
    names = dict.fromkeys(picture["repository"] for picture in pictures)
    return [name for name in names if not (clones / name).is_dir()]


def collect(picture: dict[str, str], clones: pathlib.Path) -> bytes:
    """The file of one picture, as it was trained on.

    Args:
        picture: its row.
        clones: folder of the clones.

    Raises:
        InputError: the clone is none, or does not have it.
    """
    place = f"{picture['commit']}:{picture['path']}"
    command = ["git", "-C", str(clones / picture["repository"]), "show", place]
    shown = subprocess.run(command, capture_output=True, check=False)
    if shown.returncode:
        said = shown.stderr.decode(errors="replace").strip()
        raise InputError(clones / picture["repository"], f"no {picture['path']}: {said}")
    return _stored(shown.stdout, picture["encoding"])


def _stored(data: bytes, encoding: str) -> bytes:
    if encoding == "as in source":
        return data
    file = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        picture.convert("RGB").save(file, encoding.split()[0], **_ENCODINGS[encoding])
    return file.getvalue()


def main() -> None:
    """Runs the script."""
    parser = argparse.ArgumentParser(description="Collects the pairs of the weights that ship.")
    parser.add_argument("--clones", type=pathlib.Path, required=True)
    parser.add_argument("--to", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    if arguments.to.exists() and not arguments.to.is_dir():
        parser.error(f"{arguments.to}: is not a folder")
    pictures = read_pictures(PAIRS)
    for name in (missing := missing_clones(pictures, arguments.clones)):
        target = arguments.clones / name
        print(f"needed: git clone --bare https://github.com/{name} {target}", file=sys.stderr)
    if missing:
        sys.exit(1)
    new = [picture for picture in pictures if not (arguments.to / picture["file"]).exists()]
    for picture in new:
        target = arguments.to / picture["file"]
        try:
            data = collect(picture, arguments.clones)
        except InputError as error:
            sys.exit(str(error))
        target.parent.mkdir(parents=True, exist_ok=True)
        storage.write_atomically(target, data)
    storage.write_atomically(arguments.to / "MANIFEST.csv", PAIRS.read_bytes())
    print(f"{arguments.to}: {len(pictures)} pictures, {len(new)} of them new")
    differ = sum(
        hashlib.sha256((arguments.to / picture["file"]).read_bytes()).hexdigest()
        != picture["sha256"]
        for picture in pictures
    )
    if differ:
        print(f"{differ} of them are other bytes than the weights were trained on")


if __name__ == "__main__":
    main()
