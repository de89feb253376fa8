"""`dehaze-jax import-torch`: a published PyTorch checkpoint as our weights."""

import dataclasses
import hashlib
import pathlib
from typing import Annotated

import tyro
from rich.console import Console

from dehaze_jax.cli.parsing import UsageError, parse


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportTorch:
    """Make a weights folder of a checkpoint that the code of a method's authors wrote.

    A .safetensors file is read as it is; anything else needs PyTorch, which loads tensors only and
    runs nothing that the file says.
    """

    paths: Annotated[
        tuple[pathlib.Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILE [FILE ...] OUTPUT", help_behavior_hint="(required)"),
    ]
    """The checkpoint, or the files of one that is in several; then the weights folder to write, in
    place of one that is there, its parents too. Restore, evaluate and train take it."""
    method: str
    """Method that the checkpoint belongs to: bilateral or nedr."""


def main(args: list[str]) -> int:
    """Runs the command."""
    options = parse(ImportTorch, args=args, prog="dehaze-jax import-torch")
    from dehaze_jax.errors import InputError
    from dehaze_jax.methods.table import METHODS
    from dehaze_jax.storage.configs import config_to_dict
    from dehaze_jax.storage.foreign import read_foreign
    from dehaze_jax.storage.weights import save_weights

    entry = METHODS.get(options.method)
    if entry is None or entry.import_published is None:
        known = ", ".join(name for name, entry in METHODS.items() if entry.import_published)
        raise InputError(
            "method",
            f"no published weights of {options.method!r} can be imported; those of {known} can",
        )
    if len(options.paths) < 2:
        raise UsageError(
            "import-torch", "needs a checkpoint and an output; see dehaze-jax import-torch --help"
        )
    *files, output = options.paths
    names = ", ".join(map(str, files))
    tensors = {}
    for file in files:
        read = read_foreign(file)
        if twice := min(read.keys() & tensors.keys(), default=None):
            raise InputError(file, f"holds {twice}, as a file before it does")
        tensors |= read
    imported = entry.import_published(tensors, source=names)
    card = {
        "source": [{"file": file.name, "sha256": _digest(file)} for file in files],
        "initial": list(imported.initial),
        "terms": "Those of the checkpoint's authors; the licence of this package is for its code.",
    }
    save_weights(output, imported.variables, config_to_dict(imported.config), card)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for name, path, shape in imported.used:
        console.print(f"{name} -> {path} {_size(shape)}")
    for name, shape, reason in imported.left_over:
        console.print(f"{name} {_size(shape)} left over: {reason}")
    for part in imported.initial:
        console.print(f"{part} is not in the checkpoint and starts at initial values")
    used = {tensor.name for tensor in imported.used}
    console.print(
        f"{names} -> {output}: {len(used)} tensors used, {len(imported.left_over)} left over"
    )
    return 0


def _digest(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"
