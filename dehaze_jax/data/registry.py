"""The datasets that can be prepared: what the builders in the `datasets/` folder declare.

Builders are loaded by path: no top-level package called `datasets` is imported or installed.
"""

import functools
import importlib
import importlib.util
import pathlib
import sys
from types import ModuleType

from dehaze_jax.data.building import ShardedBuilder
from dehaze_jax.data.layouts import Dataset
from dehaze_jax.errors import InputError

_SUFFIX = "_dataset_builder.py"


@functools.cache
def list_datasets() -> dict[str, Dataset]:
    """What is known of every dataset, by the names that `prepare` takes."""
    return {known.name: known for folder in _folders() for known in load_builder(folder).variants}


def find_builder(name: str) -> tuple[type[ShardedBuilder], Dataset]:
    """The builder of a dataset, and what is known of it.

    Raises:
        InputError: no dataset has that name.
    """
    folder = name.partition("/")[0]
    if folder in _folders():
        builder = load_builder(folder)
        for dataset in builder.variants:
            if dataset.name == name:
                return builder, dataset
        names = ", ".join(dataset.name for dataset in builder.variants)
        raise InputError(name, f"no such dataset; there are: {names}")
    raise InputError(name, f"no such dataset; there are: {', '.join(list_datasets())}")


def load_builder(folder: str) -> type[ShardedBuilder]:
    """The class `Builder` of a folder below `datasets/`."""
    return _load(folder).Builder


def _load(folder: str) -> ModuleType:
    package = f"_dehaze_jax_datasets_{folder}"
    if package not in sys.modules:
        init = _root() / folder / "__init__.py"
        if not init.is_file():
            raise InputError(init, "does not exist; the folder of a builder is a package")
        spec = importlib.util.spec_from_file_location(package, init)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot load {init}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[package] = module
        spec.loader.exec_module(module)
    return importlib.import_module(f"{package}.{folder}_dataset_builder")


@functools.cache
def _folders() -> tuple[str, ...]:
    files = _root().glob(f"*/*{_SUFFIX}")
    return tuple(sorted(path.parent.name for path in files))


def _root() -> pathlib.Path:
    """`_datasets/` inside an installed package, `datasets/` beside it in a checkout."""
    package = pathlib.Path(__file__).parents[1]
    installed = package / "_datasets"
    return installed if installed.is_dir() else package.parent / "datasets"
