"""Which clear picture belongs to which hazy one.

The rules cover how the public dehazing sets name their files: equal names, `1400_3.png` for
`1400.png`, `01_outdoor_hazy.JPG` for `01_outdoor_GT.jpg`, sub-folders `part1/`, `part2/`.
"""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np

from dehaze_jax.data.records import Example
from dehaze_jax.errors import InputError
from dehaze_jax.image.files import IMAGE_SUFFIXES, read

Rule: TypeAlias = Literal["auto", "stem", "token", "prefix", "sorted"]

LARGEST_CROP = 32
"""Pixels by which the sizes of a pair may differ; the larger picture is cropped at its centre."""

_TOKEN = re.compile(r"(?:^|[_\-. ])(hazy|haze|gt|clear|clean)(?=$|[_\-. ])", re.IGNORECASE)
_HAZY_TOKEN = re.compile(r"(?:^|[_\-. ])(hazy|haze)(?=$|[_\-. ])", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two files of one scene.

    Attributes:
        id: the hazy file's path below its folder, without suffix.
        hazy: the hazy picture.
        clear: the clear picture; several pairs may share it.
    """

    id: str
    hazy: pathlib.Path
    clear: pathlib.Path


def list_images(folder: str | os.PathLike[str]) -> list[pathlib.Path]:
    """Pictures in a folder and below it, sorted by path; hidden files are left out.

    Raises:
        InputError: not a folder, or without a picture.
    """
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise InputError(root, "not a folder" if root.exists() else "does not exist")
    found = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and path.is_file()
    )
    if not found:
        raise InputError(root, "holds no picture")
    return found


def find_pairs(
    hazy: str | os.PathLike[str], clear: str | os.PathLike[str], *, rule: Rule = "auto"
) -> tuple[Pair, ...]:
    """Pairs every hazy picture with a clear one, by file names alone.

    With `rule="auto"` each hazy file takes the first of these that finds a partner: the same path
    below the folder, `stem`, `token`, `prefix`.

    Args:
        hazy: folder of hazy pictures, sub-folders included.
        clear: folder of clear pictures; may be the same folder, where names tell them apart.
        rule: `stem`: equal names without suffix. `token`: names equal once the words hazy/haze and
            GT/clear/clean are left out. `prefix`: the hazy name up to its first `_` is the clear
            name. `sorted`: both lists in order, if equally long.

    Raises:
        InputError: a folder missing or empty, a hazy file without a partner or with several.
    """
    hazy_root, clear_root = pathlib.Path(hazy), pathlib.Path(clear)
    hazy_files, clear_files = list_images(hazy_root), list_images(clear_root)
    if hazy_root.resolve() == clear_root.resolve():
        hazy_files = [path for path in hazy_files if _HAZY_TOKEN.search(path.stem)]
        clear_files = [path for path in clear_files if not _HAZY_TOKEN.search(path.stem)]
        if not hazy_files or not clear_files:
            raise InputError(hazy_root, "hazy and clear pictures cannot be told apart by name")
    if rule == "sorted":
        if len(hazy_files) != len(clear_files):
            counts = f"{len(hazy_files)} hazy and {len(clear_files)} clear pictures"
            raise InputError(hazy_root, f"cannot be paired in sorted order: {counts}")
        partners = clear_files
    else:
        match = _Matcher(clear_root, clear_files, rule)
        partners = [match(path, hazy_root) for path in hazy_files]
    pairs = tuple(
        Pair(path.relative_to(hazy_root).with_suffix("").as_posix(), path, partner)
        for path, partner in zip(hazy_files, partners, strict=True)
    )
    seen: dict[str, pathlib.Path] = {}
    for pair in pairs:
        if pair.id in seen:
            raise InputError(pair.hazy, f"has the same name as {seen[pair.id].name}")
        seen[pair.id] = pair.hazy
    return pairs


class _Matcher:
    """Finds the clear file of a hazy one through an index of names for each rule."""

    def __init__(self, root: pathlib.Path, files: Sequence[pathlib.Path], rule: str):
        keys: dict[str, Callable[[pathlib.Path], str]] = {
            "path": lambda path: path.relative_to(root).with_suffix("").as_posix(),
            "stem": lambda path: path.stem,
            "token": lambda path: _without_token(path.stem),
            "prefix": lambda path: path.stem,
        }
        self.root = root
        self.rules = tuple(keys) if rule == "auto" else (rule,)
        self.index: dict[str, dict[str, list[pathlib.Path]]] = {}
        for name in self.rules:
            self.index[name] = defaultdict(list)
            for path in files:
                self.index[name][keys[name](path)].append(path)

    def __call__(self, hazy: pathlib.Path, hazy_root: pathlib.Path) -> pathlib.Path:
        wanted = {
            "path": hazy.relative_to(hazy_root).with_suffix("").as_posix(),
            "stem": hazy.stem,
            "token": _without_token(hazy.stem),
            "prefix": hazy.stem.split("_")[0],
        }
        for rule in self.rules:
            found = self.index[rule].get(wanted[rule], [])
            if len(found) > 1:
                names = " and ".join(str(path) for path in found[:2])
                raise InputError(hazy, f"has more than one clear partner: {names}")
            if found:
                return found[0]
        raise InputError(hazy, f"has no clear partner in {self.root}")


def _without_token(stem: str) -> str:
    return _TOKEN.sub("", stem).strip("_-. ").lower()


def name_parameters(stem: str) -> dict[str, float]:
    """Haze parameters written in a file name of RESIDE or Haze4K.

    Args:
        stem: `ID_index_A` (ITS), `ID_A_beta` (OTS, SOTS outdoor, Haze4K) or anything else.

    Returns:
        `airlight` and `beta` as far as the name tells them.
    """
    fields = stem.split("_")
    if len(fields) != 3:
        return {}
    try:
        second, third = float(fields[1]), float(fields[2])
    except ValueError:
        return {}
    # OTS writes A = 1 as `1`, like an index of ITS; but its beta is at most 0.2.
    if fields[1].isdigit() and 0.5 <= third <= 1:
        return {"airlight": third}
    if 0 < second <= 1 and third > 0:
        return {"airlight": second, "beta": third}
    return {}


def match_sizes(
    hazy: np.ndarray, clear: np.ndarray, *, subject: str | os.PathLike[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Crops the larger picture at its centre, in each direction on its own.

    Raises:
        InputError: sizes differ by more than `LARGEST_CROP` pixels.
    """
    if hazy.shape[:2] == clear.shape[:2]:
        return hazy, clear
    height, width = (min(a, b) for a, b in zip(hazy.shape[:2], clear.shape[:2], strict=True))
    differences = np.subtract(hazy.shape[:2], clear.shape[:2])
    if np.abs(differences).max() > LARGEST_CROP:
        sizes = "{1} x {0}, but its clear partner is {3} x {2}".format(
            *hazy.shape[:2], *clear.shape[:2]
        )
        raise InputError(subject, f"is {sizes}")

    def cut(picture: np.ndarray) -> np.ndarray:
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        return picture[top : top + height, left : left + width]

    return cut(hazy), cut(clear)


class FolderPairs:
    """Pairs of files as a sequence of examples, read when asked for.

    Args:
        pairs: what `find_pairs` found.
    """

    def __init__(self, pairs: Sequence[Pair]):
        self.pairs = tuple(pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Example:
        pair = self.pairs[index]
        hazy, clear = match_sizes(
            read(pair.hazy).pixels, read(pair.clear).pixels, subject=pair.hazy
        )
        known = name_parameters(pair.hazy.stem)
        extras: dict[str, np.ndarray] = {}
        if "airlight" in known:
            extras["airlight"] = np.full(3, known["airlight"], np.float32)
        if "beta" in known:
            extras["beta"] = np.asarray(known["beta"], np.float32)
        return Example(id=pair.id, hazy=hazy, clear=clear, extras=extras)

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over names and contents of all files, read at every call.

        A file that cannot be read counts by its name alone.
        """
        total = hashlib.sha256()
        for pair in self.pairs:
            for path in (pair.hazy, pair.clear):
                with contextlib.suppress(OSError), path.open("rb") as file:
                    total.update(hashlib.file_digest(file, "sha256").digest())
            total.update(pair.id.encode())
        return total.hexdigest()


def pair_folders(
    hazy: str | os.PathLike[str], clear: str | os.PathLike[str], *, rule: Rule = "auto"
) -> FolderPairs:
    """A folder of hazy and a folder of clear pictures as a sequence of examples.

    Names are matched now (see `find_pairs`), pictures are read when asked for: reading raises
    `InputError` for a file that cannot be read and for sizes that differ by more than
    `LARGEST_CROP` pixels.

    Raises:
        InputError: see `find_pairs`.
    """
    return FolderPairs(find_pairs(hazy, clear, rule=rule))
