"""Making prepared datasets with the TFDS builders of the `datasets/` folder.

Builders are loaded by path: no top-level package called `datasets` is imported or installed.
"""

import contextlib
import dataclasses
import importlib
import importlib.util
import json
import logging
import os
import pathlib
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeAlias

import tensorflow_datasets as tfds

from dehaze_jax.data.prepared import CHECKSUMS, record_checksums
from dehaze_jax.errors import InputError

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the examples done and the examples in all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuilderEntry:
    """Where a dataset's builder stands and what it needs.

    Attributes:
        folder: folder of the builder below `datasets/`.
        config: name of its configuration.
        summary: one line for listings.
        needs_source: it is made of pictures of the user's.
    """

    folder: str
    config: str
    summary: str
    needs_source: bool = False


BUILDERS: dict[str, BuilderEntry] = {
    "rendered_haze/photographs": BuilderEntry(
        folder="rendered_haze",
        config="photographs",
        summary="haze on the photographs that scikit-image carries",
    ),
    "rendered_haze/landscapes": BuilderEntry(
        folder="rendered_haze",
        config="landscapes",
        summary="haze on procedural landscapes with exact depth, at any size",
    ),
    "rendered_haze/folder": BuilderEntry(
        folder="rendered_haze",
        config="folder",
        summary="haze on your clear pictures; depth maps from its depth/ folder, if there",
        needs_source=True,
    ),
    "paired_folder": BuilderEntry(
        folder="paired_folder",
        config="pairs",
        summary="your hazy/ and clear/ folders, or train/, val/ and test/ with both in each",
        needs_source=True,
    ),
}


def prepare(
    name: str,
    to: str | os.PathLike[str],
    *,
    source: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    size: tuple[int, int] = (384, 512),
    scenes: int = 24,
    hazes: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
) -> pathlib.Path:
    """Writes a prepared dataset. It appears whole under its name, or not at all.

    Args:
        name: key of `BUILDERS`; `rendered_haze` alone means its `folder` with a source, else its
            `photographs`.
        to: directory to write.
        source: folder of the user's pictures, for the datasets made of them.
        overwrite: replace a prepared dataset that stands at `to`.
        size: height and width of landscapes.
        scenes: number of landscapes.
        hazes: hazy pictures of each scene, for rendered haze.
        seed: of everything drawn.
        progress: told after every example.

    Returns:
        `to`.

    Raises:
        InputError: unknown name, a number out of range, source missing or damaged, `to` in the
            way or not writable.
    """
    if name == "rendered_haze":
        name = "rendered_haze/folder" if source is not None else "rendered_haze/photographs"
    if name not in BUILDERS:
        raise InputError(name, f"no such dataset; there are: {', '.join(BUILDERS)}")
    entry = BUILDERS[name]
    if entry.needs_source and source is None:
        raise InputError(name, "is made of your own pictures: give the folder they are in (--from)")
    if source is not None and not entry.needs_source:
        raise InputError(name, "takes no pictures of yours")
    if min(*size, scenes, hazes) < 1:
        raise InputError(name, "size, scenes and hazes must be at least 1")
    if seed < 0:
        raise InputError("seed", f"{seed} is below zero")
    target = pathlib.Path(to)
    _check_target(target, overwrite=overwrite)
    module = load_builder(entry.folder)
    options: dict[str, Any] = {"seed": seed}
    if entry.needs_source:
        options["source"] = os.fspath(pathlib.Path(os.fspath(source or "")).absolute())
    if entry.folder == "rendered_haze":
        options |= {"hazes": hazes}
    if entry.config == "landscapes":
        options |= {"height": size[0], "width": size[1], "scenes": scenes}
    config = module.Config(name=entry.config, **options)
    with _workshop(target) as folder, _silent_tfds():
        builder = module.Builder(data_dir=folder / "new", config=config, file_format="array_record")
        builder.report = progress
        # These two print whatever the logging level is.
        builder._log_download_bytes = builder._log_download_done = lambda: None
        builder.download_and_prepare()
        built = pathlib.Path(builder.data_dir)
        checksums = json.dumps(record_checksums(built), indent=2)
        (built / CHECKSUMS).write_text(checksums)
        if target.exists():
            os.replace(target, folder / "old")
        os.replace(built, target)
    return target


def load_builder(folder: str) -> ModuleType:
    """The module with `Config` and `Builder` of a folder below `datasets/`, loaded by path."""
    package = f"_dehaze_jax_datasets_{folder}"
    if package not in sys.modules:
        init = _builders_root() / folder / "__init__.py"
        spec = importlib.util.spec_from_file_location(package, init)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot load {init}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[package] = module
        spec.loader.exec_module(module)
    return importlib.import_module(f"{package}.{folder}_dataset_builder")


def _builders_root() -> pathlib.Path:
    """`_datasets/` inside an installed package, `datasets/` beside it in a checkout."""
    package = pathlib.Path(__file__).parents[1]
    installed = package / "_datasets"
    return installed if installed.is_dir() else package.parent / "datasets"


def _check_target(target: pathlib.Path, *, overwrite: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(target, "is a file; a dataset needs a folder")
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise InputError(target, "exists and is not empty; --overwrite replaces a prepared dataset")
    if not (target / "dataset_info.json").is_file():
        raise InputError(target, "is no prepared dataset, so it is not replaced")


@contextlib.contextmanager
def _workshop(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """A hidden folder beside the target, gone afterwards whatever happens."""
    folder = target.absolute().parent / f".{target.name}.{secrets.token_hex(4)}.partial"
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        reason = f"cannot be written: {error.strerror or error}"
        raise InputError(target, reason) from error
    except RuntimeError as error:
        # How the writer of array records tells of a full disk.
        told = re.search(r"\w+\(\) failed: ([^;]+)", str(error))
        if told is None:
            raise
        raise InputError(target, f"cannot be written: {told[1]}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _silent_tfds() -> Iterator[None]:
    """No bars of TFDS, and no warning that a configuration is not one of its built-in ones."""
    tfds.disable_progress_bar()
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
