"""Which clear picture belongs to which hazy one.

The rules cover how the public dehazing sets name their files: equal names, `1400_3.png` for
`1400.png`, `01_outdoor_hazy.JPG` for `01_outdoor_GT.jpg`, sub-folders `part1/`, `part2/`.
"""

import dataclasses
import functools
import os
import pathlib
import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np

from dehaze_jax.errors import InputError
from dehaze_jax.image.files import IMAGE_SUFFIXES

Rule: TypeAlias = Literal["auto", "path", "stem", "token", "prefix", "sorted"]
NameField: TypeAlias = Literal["id", "index", "airlight", "beta"]

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
    found = list_files(root, IMAGE_SUFFIXES)
    if not found:
        raise InputError(root, "holds no picture")
    return found


def list_files(folder: pathlib.Path, suffixes: Container[str]) -> list[pathlib.Path]:
    """Files of some suffixes in a folder and below it, sorted by path; not the hidden ones."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def find_pairs(
    hazy: str | os.PathLike[str], clear: str | os.PathLike[str], *, rule: Rule = "auto"
) -> tuple[Pair, ...]:
    """Pairs every hazy picture with a clear one, by file names alone; see `match_pairs`.

    Args:
        hazy: folder of hazy pictures, sub-folders included.
        clear: folder of clear pictures; may be the same folder, where names tell them apart.
        rule: see `match_pairs`.

    Raises:
        InputError: a folder missing or empty, a hazy file without a partner or with several.
    """
    pairs, faults = match_pairs([hazy], [clear], rule=rule)
    if faults:
        raise faults[0]
    return pairs


def match_pairs(
    hazy: Sequence[str | os.PathLike[str]],
    clear: Sequence[str | os.PathLike[str]],
    *,
    rule: Rule = "auto",
) -> tuple[tuple[Pair, ...], tuple[InputError, ...]]:
    """Pairs hazy pictures with clear ones, by file names alone.

    With `rule="auto"` each hazy file takes the first of these that finds a partner: `path`, `stem`,
    `token`, `prefix`. Where a clear folder has the sub-folder that a hazy file lies in, or one
    above it, partners come from there alone: what video `b` lacks is not taken from video `a`.

    Args:
        hazy: folders of hazy pictures, sub-folders included.
        clear: folders of clear pictures; may be the same, where names tell them apart.
        rule: `path`: equal paths below the folders, without suffix, as of video frames whose
            names are numbers. `stem`: equal names without suffix, in any sub-folders. `token`:
            names equal once the words hazy/haze and GT/clear/clean are left out. `prefix`: the hazy
            name up to its first `_` is the clear name. `sorted`: both lists in order, if equally
            long.

    Returns:
        The pairs, and what is wrong with the hazy files that have no partner or several, or the id
        of another.

    Raises:
        InputError: a folder missing or empty, names that do not tell hazy from clear, or a picture
            among both in folders that are not the same.
    """
    hazy_roots, clear_roots = ([pathlib.Path(root) for root in roots] for roots in (hazy, clear))
    hazy_files = {path: root for root in hazy_roots for path in list_images(root)}
    clear_files = {path: root for root in clear_roots for path in list_images(root)}
    if {root.resolve() for root in hazy_roots} & {root.resolve() for root in clear_roots}:
        hazy_files = {p: root for p, root in hazy_files.items() if _HAZY_TOKEN.search(p.stem)}
        clear_files = {p: root for p, root in clear_files.items() if not _HAZY_TOKEN.search(p.stem)}
        if not hazy_files or not clear_files:
            raise InputError(hazy_roots[0], "hazy and clear pictures cannot be told apart by name")
    _check_apart(hazy_files, clear_files)
    if rule == "sorted" and len(hazy_files) != len(clear_files):
        counts = f"{len(hazy_files)} hazy and {len(clear_files)} clear pictures"
        raise InputError(hazy_roots[0], f"cannot be paired in sorted order: {counts}")
    in_order = dict(zip(hazy_files, clear_files, strict=False)) if rule == "sorted" else {}
    match = _Matcher(clear_files, rule)
    named, faults = name_images(hazy_files)
    pairs: list[Pair] = []
    for name, path in named.items():
        try:
            partner = in_order[path] if rule == "sorted" else match(path, hazy_files[path])
        except InputError as fault:
            faults.append(fault)
        else:
            pairs.append(Pair(name, path, partner))
    return tuple(pairs), tuple(faults)


def _check_apart(hazy: Iterable[pathlib.Path], clear: Iterable[pathlib.Path]) -> None:
    """Refuses a file that is on both sides, as of folders within each other: it pairs with itself.

    Names may differ, where one is a link.
    """
    hazy_files = {path.resolve() for path in hazy}
    for path in clear:
        if path.resolve() in hazy_files:
            raise InputError(path, "is among the hazy and among the clear pictures")


def name_images(
    files: Mapping[pathlib.Path, pathlib.Path],
) -> tuple[dict[str, pathlib.Path], list[InputError]]:
    """Ids of pictures: their paths without suffix, below their folder or all folders' common one.

    Args:
        files: the folder of each picture.

    Returns:
        Pictures by id, and those whose id another one has.
    """
    roots = set(files.values())
    top = pathlib.Path(os.path.commonpath(roots)) if len(roots) > 1 else None
    named: dict[str, pathlib.Path] = {}
    faults: list[InputError] = []
    for path, root in files.items():
        name = _below(path, top or root)
        if name in named:
            faults.append(InputError(path, f"has the same name as {named[name].name}"))
        else:
            named[name] = path
    return named, faults


class _Matcher:
    """Finds the clear file of a hazy one through an index of names for each rule."""

    def __init__(self, files: Mapping[pathlib.Path, pathlib.Path], rule: str):
        keys: dict[str, Callable[[pathlib.Path], str]] = {
            "path": lambda path: _below(path, files[path]),
            "stem": lambda path: path.stem,
            "token": lambda path: _without_token(path.stem),
            "prefix": lambda path: path.stem,
        }
        self.roots = tuple(dict.fromkeys(files.values()))
        self.own_folders = functools.cache(self._own_folders) if rule == "auto" else None
        self.rules = tuple(key for key in keys if rule in ("auto", key))
        self.index: dict[str, dict[str, list[pathlib.Path]]] = {}
        for name in self.rules:
            self.index[name] = defaultdict(list)
            for path in files:
                self.index[name][keys[name](path)].append(path)

    def __call__(self, hazy: pathlib.Path, root: pathlib.Path) -> pathlib.Path:
        wanted = {
            "path": _below(hazy, root),
            "stem": hazy.stem,
            "token": _without_token(hazy.stem),
            "prefix": hazy.stem.split("_")[0],
        }
        for rule in self.rules:
            found = self.index[rule].get(wanted[rule], [])
            if self.own_folders:
                own = self.own_folders(hazy.parent.relative_to(root))
                found = [path for path in found if any(map(path.is_relative_to, own))]
            if len(found) > 1:
                names = " and ".join(str(path) for path in found[:2])
                raise InputError(hazy, f"has more than one clear partner: {names}")
            if found:
                return found[0]
        roots = " and ".join(map(str, self.roots))
        raise InputError(hazy, f"has no clear partner in {roots}")

    def _own_folders(self, folder: pathlib.Path) -> list[pathlib.Path]:
        """Where the clear pictures of a hazy sub-folder lie: the same one, or the next above."""
        for wanted in (folder, *folder.parents):
            own = [root / wanted for root in self.roots if (root / wanted).is_dir()]
            if own:
                return own
        return []


def _below(path: pathlib.Path, root: pathlib.Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def _without_token(stem: str) -> str:
    return _TOKEN.sub("", stem).strip("_-. ").lower()


def find_maps(
    pairs: Sequence[Pair], folders: Sequence[str | os.PathLike[str]]
) -> tuple[pathlib.Path | None, ...]:
    """The map of each pair, such as its transmission: the hazy name, or the longest part of it.

    Parts end before a `_`: the map of `7_3_0.91` is `7_3_0.91`, `7_3` or `7`, the first there is.
    Folders may be empty.
    """
    maps = {
        path.stem: path
        for folder in folders
        for path in list_files(pathlib.Path(folder), IMAGE_SUFFIXES)
    }

    def find(stem: str) -> pathlib.Path | None:
        while stem and stem not in maps:
            stem = stem.rpartition("_")[0]
        return maps.get(stem)

    return tuple(find(pair.hazy.stem) for pair in pairs)


def name_parameters(stem: str, fields: Sequence[NameField] = ()) -> dict[str, float]:
    """Haze parameters written in a file name.

    Args:
        stem: the name without suffix, parts between `_`.
        fields: what each part says; empty guesses between `ID_index_A` (ITS) and `ID_A_beta` (OTS,
            SOTS outdoor, Haze4K), whose last part has a decimal point, unlike other numbers.

    Returns:
        `airlight` and `beta` as far as the name tells them.
    """
    parts = stem.split("_")
    if fields:
        wanted = dict(zip(fields, parts, strict=False)) if len(parts) == len(fields) else {}
        try:
            return {key: float(wanted[key]) for key in ("airlight", "beta") if key in wanted}
        except ValueError:
            return {}
    if len(parts) != 3 or "." not in parts[2]:
        return {}
    try:
        second, third = float(parts[1]), float(parts[2])
    except ValueError:
        return {}
    # OTS writes A = 1 as `1`, like an index of ITS; but its beta is at most 0.2.
    if parts[1].isdigit() and 0.5 <= third <= 1:
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
        sizes = "{1} x {0}, but its partner is {3} x {2}".format(*hazy.shape[:2], *clear.shape[:2])
        raise InputError(subject, f"is {sizes}")

    def cut(picture: np.ndarray) -> np.ndarray:
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        return picture[top : top + height, left : left + width]

    return cut(hazy), cut(clear)
