"""Finds a dataset's folders in what the user has: its top, a folder above it, or one within."""

import dataclasses
import fnmatch
import itertools
import os
import pathlib
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TypeAlias

from dehaze_jax.data.depths import DEPTH_SUFFIXES
from dehaze_jax.data.layouts import EVERYTHING, Layout
from dehaze_jax.data.pairing import list_files
from dehaze_jax.errors import InputError
from dehaze_jax.image.files import IMAGE_SUFFIXES

Places: TypeAlias = Mapping[str, tuple[pathlib.Path, ...]]
"""Folders by `hazy`, `clear` and `transmission`."""

_HIDDEN = (".", "__MACOSX")  # the latter repeats in zip files of a Mac what is beside it
_DEEPEST = 4  # folders below the given one in which a dataset's top is looked for


@dataclasses.dataclass(frozen=True)
class Located:
    """A copy of a dataset.

    Attributes:
        layout: how it lies.
        places: where its pictures lie, by the splits of `layout.folders` that it has.
    """

    layout: Layout
    places: Mapping[str, Places]


def locate(source: str | os.PathLike[str], layouts: Sequence[Layout]) -> Located:
    """Finds the first layout that fits, nearest to the top of a folder.

    The folder may also be part of a layout: for `indoor/hazy` a folder `indoor` will do. The search
    does not end at the first copy: what it found may be another dataset with folders of the same
    names.

    Args:
        source: the user's folder.
        layouts: those of the dataset.

    Raises:
        InputError: no such folder, nothing in it that fits, two copies beside each other, or a
            split with hazy pictures and no clear ones.
    """
    root = pathlib.Path(source).absolute()
    if not root.is_dir():
        raise InputError(source, "not a folder" if root.exists() else "does not exist")
    halves: list[InputError] = []
    found: dict[pathlib.Path, Located] = {}
    named = [layout for layout in layouts if not layout.takes_everything]
    for top in _tops(root, named, found):
        for layout in named:
            try:
                located = _fit(top, root, layout)
            except InputError as half:
                halves.append(half)
            else:
                if located:
                    found.setdefault(top, located)
    if len(found) > 1:
        several = " and ".join(map(str, itertools.islice(found, 2)))
        raise InputError(source, f"holds more than one copy: {several}; give one of them")
    if found:
        return next(iter(found.values()))
    if halves:
        raise halves[0]
    for layout in layouts:
        if layout.takes_everything and (located := _fit(_common_folder(root), root, layout)):
            return located
    wanted = "; or ".join(dict.fromkeys(map(str, layouts)))
    raise InputError(source, f"has no folders {wanted}")


def _tops(
    root: pathlib.Path, layouts: Sequence[Layout], found: Container[pathlib.Path]
) -> Iterator[pathlib.Path]:
    """Where the top of the dataset may be: the folder, those above it, then ever deeper ones.

    Nothing below a top that is `found` meanwhile.
    """
    folders = [folder for layout in layouts for folder in layout.folders.values()]
    patterns = [pattern for f in folders for pattern in (f.hazy, f.clear) if pattern]
    above = max((pattern.count("/") + 1 for pattern in patterns), default=0)
    for top in (root, *itertools.islice(root.parents, above)):
        yield top
        if top in found:
            return
    level = [root]
    for _ in range(_DEEPEST):
        level = [c for folder in level if folder not in found for c in _subfolders(folder)]
        yield from level


def _common_folder(root: pathlib.Path) -> pathlib.Path:
    """The deepest folder that all pictures and depth maps in a folder lie below."""
    files = list_files(root, DEPTH_SUFFIXES)
    if not files:
        raise InputError(root, "holds no picture")
    return pathlib.Path(os.path.commonpath([path.parent for path in files]))


def _fit(top: pathlib.Path, root: pathlib.Path, layout: Layout) -> Located | None:
    places = {}
    for split, folders in layout.folders.items():
        found = {
            key: _resolve(top, root, pattern)
            for key in ("hazy", "clear", "transmission")
            if (pattern := getattr(folders, key))
        }
        needed = [key for key in found if key != "transmission"]
        if all(found[key] for key in needed):
            places[split] = {key: folder for key, folder in found.items() if folder}
        elif present := [folder for key in needed for folder in found[key]]:
            missing = next(getattr(folders, key) for key in needed if not found[key])
            raise InputError(present[0].parent, f"has no folder {missing.rpartition('/')[2]}/")
    return Located(layout, places) if places else None


def _resolve(top: pathlib.Path, root: pathlib.Path, pattern: str) -> tuple[pathlib.Path, ...]:
    """The folders of a pattern that lie in what the user gave."""
    if pattern == EVERYTHING:
        return (top,)
    if pattern == ".":
        return (top,) if top.is_relative_to(root) and _holds_picture(top) else ()
    folders = [top]
    for part in pattern.split("/"):
        folders = [match for folder in folders for match in _named(folder, part.split("|"))]
    return tuple(folder for folder in folders if folder.is_relative_to(root))


def _named(folder: pathlib.Path, spellings: Sequence[str]) -> list[pathlib.Path]:
    children = _subfolders(folder)
    for spelling in spellings:
        matches = [c for c in children if fnmatch.fnmatchcase(c.name.lower(), spelling.lower())]
        if matches:
            return matches
    return []


def _subfolders(folder: pathlib.Path) -> list[pathlib.Path]:
    try:
        with os.scandir(folder) as entries:
            folders = [e for e in entries if e.is_dir() and not e.name.startswith(_HIDDEN)]
    except OSError:  # a folder that must not be read is none of the dataset's
        return []
    return [folder / name for name in sorted(e.name for e in folders)]


def _holds_picture(folder: pathlib.Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(
                pathlib.Path(entry.name).suffix.lower() in IMAGE_SUFFIXES for entry in entries
            )
    except OSError:
        return False
