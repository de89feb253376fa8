"""`dehaze-jax import-torch`: a published PyTorch checkpoint as our weights."""

import dataclasses
import pathlib
from typing import Annotated

import tyro
from rich.console import Console

from dehaze_jax.cli.parsing import parse


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportTorch:
    """Make a weights folder of a checkpoint that the code of a method's authors wrote.

    A .safetensors file is read as it is; anything else needs PyTorch, which loads tensors only and
    runs nothing that the file says.
    """

    file: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """The checkpoint."""
    output: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT")]
    """The weights folder to write, in place of one that is there, its parents too; restore,
    evaluate and train take it."""
    method: str
    """Method that the checkpoint belongs to, such as bilateral."""


def main(args: list[str]) -> int:
    """Runs the command."""
    options = parse(ImportTorch, args=args, prog="dehaze-jax import-torch")
    import hashlib

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
    tensors = read_foreign(options.file)
    imported = entry.import_published(tensors, source=options.file)
    with options.file.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    card = {
        "source": {"file": options.file.name, "sha256": digest},
        "terms": "Those of the checkpoint's authors; the licence of this package is for its code.",
    }
    save_weights(options.output, imported.variables, config_to_dict(imported.config), card)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for name, path, shape in imported.used:
        console.print(f"{name} -> {path} {_size(shape)}")
    for name, shape, reason in imported.left_over:
        console.print(f"{name} {_size(shape)} left over: {reason}")
    console.print(
        f"{options.file} -> {options.output}: {len(imported.used)} tensors used, "
        f"{len(imported.left_over)} left over"
    )
    return 0


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"
