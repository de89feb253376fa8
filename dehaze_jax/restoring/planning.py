"""Which file is restored to which: decided, and refused, before any work is done."""

import dataclasses
import glob
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dehaze_jax.errors import InputError
from dehaze_jax.image.atomic import check_folder
from dehaze_jax.image.encoding import ENCODERS
from dehaze_jax.image.files import IMAGE_SUFFIXES


class MapFiles(NamedTuple):
    """Where the maps of a picture go.

    Attributes:
        transmission: 16-bit grey, white is 1.
        depth: 16-bit grey, white is the largest depth of the picture.
        arrays: a NumPy archive of all of them as they are.
    """

    transmission: pathlib.Path
    depth: pathlib.Path
    arrays: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Job:
    """One picture to restore.

    Attributes:
        source: the hazy picture.
        target: where the restored one goes.
        comparison: where the side-by-side picture goes, if it is asked for.
        maps: where the maps go, if they are asked for.
    """

    source: pathlib.Path
    target: pathlib.Path
    comparison: pathlib.Path | None = None
    maps: MapFiles | None = None

    @property
    def outputs(self) -> tuple[pathlib.Path, ...]:
        """Every file that is written."""
        compared = () if self.comparison is None else (self.comparison,)
        return (self.target, *compared, *(self.maps or ()))


def plan(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    recursive: bool = False,
    compare: bool = False,
    maps: bool = False,
) -> tuple[Job, ...]:
    """Finds the pictures and names their results.

    A single picture goes to `output` as a file if that has a picture's suffix and is no folder. In
    every other case `output` is a folder, made if its parent exists; results keep their names and
    formats, except that formats which cannot be written become PNG. Beside its result lie a
    comparison, `<name>_compare.jpg`, and maps, `<name>_transmission.png`, `<name>_depth.png` and
    `<name>_maps.npz`. Files that already exist are replaced, but never one of the inputs.

    Args:
        inputs: pictures, folders of pictures, patterns such as `photos/*.jpg`.
        output: a file or a folder.
        recursive: take sub-folders too, and repeat them below `output`.
        compare: also name side-by-side pictures.
        maps: also name files of maps.

    Raises:
        InputError: an input is missing or holds no picture; the output is of an unknown format, is
            an input, lies in a folder that does not exist, or is the same for two inputs.
    """
    output = pathlib.Path(output)
    found = _find(inputs, recursive=recursive, skip=output)
    single = len(inputs) == 1 and pathlib.Path(inputs[0]).is_file()
    names_file = output.suffix.lower() in IMAGE_SUFFIXES and not output.is_dir()
    if single and names_file:
        if output.suffix.lower() not in ENCODERS:
            raise InputError(output, f"cannot write this format; use {_listed(ENCODERS)}")
        pairs = [(found[0][0], output)]
    else:
        if names_file or (output.exists() and not output.is_dir()):
            raise InputError(output, "must be a folder, as the input is not one single picture")
        pairs = [(source, output / _writable_name(relative)) for source, relative in found]
    if not output.is_dir():
        check_folder(output)
    jobs = tuple(
        Job(
            source,
            target,
            comparison=_beside(target, "compare.jpg") if compare else None,
            maps=_maps(target) if maps else None,
        )
        for source, target in pairs
    )
    _refuse_collisions(jobs)
    return jobs


def _find(
    inputs: Iterable[str | os.PathLike[str]], *, recursive: bool, skip: pathlib.Path
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Every picture with its path below the input it was found through."""
    found: list[tuple[pathlib.Path, pathlib.Path]] = []
    for entry in inputs:
        path = pathlib.Path(entry)
        if path.is_dir():
            inside = _pictures(path, recursive=recursive, skip=skip)
            if not inside:
                raise InputError(path, f"holds no picture ({_listed(IMAGE_SUFFIXES)})")
            found += [(file, file.relative_to(path)) for file in inside]
        elif path.exists():
            found.append((path, pathlib.Path(path.name)))
        elif matches := sorted(glob.glob(str(entry), recursive=True)):
            files = [pathlib.Path(match) for match in matches]
            found += [(file, pathlib.Path(file.name)) for file in files if file.is_file()]
        else:
            reason = "matches no file" if glob.has_magic(str(entry)) else "does not exist"
            raise InputError(path, reason)
    return found


def _pictures(folder: pathlib.Path, *, recursive: bool, skip: pathlib.Path) -> list[pathlib.Path]:
    """Pictures of a folder in order; neither hidden ones nor those below the output folder."""
    files = folder.rglob("*") if recursive else folder.glob("*")
    skip = skip.resolve()
    return sorted(
        file
        for file in files
        if file.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
        and (skip == folder.resolve() or skip not in file.resolve().parents)
    )


def _writable_name(path: pathlib.Path) -> pathlib.Path:
    return path if path.suffix.lower() in ENCODERS else path.with_suffix(".png")


def _maps(target: pathlib.Path) -> MapFiles:
    return MapFiles(
        transmission=_beside(target, "transmission.png"),
        depth=_beside(target, "depth.png"),
        arrays=_beside(target, "maps.npz"),
    )


def _beside(target: pathlib.Path, ending: str) -> pathlib.Path:
    return target.with_name(f"{target.stem}_{ending}")


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    """No input is written over, and no file is written twice."""
    sources = {job.source.resolve() for job in jobs}
    owners: dict[pathlib.Path, pathlib.Path] = {}
    for job in jobs:
        for target in job.outputs:
            resolved = target.resolve()
            if resolved in sources:
                raise InputError(target, "is an input; write to another file or folder")
            if resolved in owners:
                reason = f"is the output of both {owners[resolved]} and {job.source}"
                raise InputError(target, reason)
            owners[resolved] = job.source


def _listed(suffixes: Iterable[str]) -> str:
    return ", ".join(sorted(suffixes))
