"""Weights to restore with: a folder of tensors, config and card.

`weights.safetensors` holds the variables under flat names (`params/purifier/...`), `config.json`
the method's config, `card.json` where they come from: data, recipe, scores with protocol ids,
terms, and the number of parameters and SHA-256 of the tensors.
"""

import hashlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy

from dehaze_jax.arrays import Tree
from dehaze_jax.errors import InputError
from dehaze_jax.storage.checkpoints import Checkpoints
from dehaze_jax.storage.files import as_input_error, read_json, write_json
from dehaze_jax.storage.trees import count_parameters, flatten, unflatten

_TENSORS, _CONFIG, _CARD = "weights.safetensors", "config.json", "card.json"


class Weights(NamedTuple):
    """Attributes.

    variables: nested dictionaries of NumPy arrays.
    config: the method's config as `config_to_dict` gave it.
    card: where they come from.
    """

    variables: dict[str, Any]
    config: dict[str, Any]
    card: dict[str, Any]


def save_weights(
    folder: str | os.PathLike[str],
    variables: Tree,
    config: Mapping[str, Any],
    card: Mapping[str, Any],
) -> None:
    """Writes a weights folder whole, in place of one that is there.

    Args:
        folder: its parent is created where it is missing.
        variables: nested dictionaries of arrays.
        config: the method's config as `config_to_dict` gives it.
        card: where the weights come from; `parameters` and `sha256` are added.

    Raises:
        InputError: the folder cannot be written, or is one of something else.
    """
    folder = pathlib.Path(folder).absolute()
    if folder.exists() and not (folder / _TENSORS).exists():
        raise InputError(folder, "exists and is not a weights folder")
    flat = {name: np.asarray(value, order="C") for name, value in flatten(variables).items()}
    tensors = safetensors.numpy.save(flat)
    card = {
        **card,
        "parameters": count_parameters(variables),
        "sha256": hashlib.sha256(tensors).hexdigest(),
    }
    with as_input_error(folder, "cannot be written"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{folder.name}.*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        new = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            new.chmod(0o755)
            (new / _TENSORS).write_bytes(tensors)
            write_json(new / _CONFIG, dict(config))
            write_json(new / _CARD, card)
            if folder.exists():  # one rename after the other: what is there is always whole
                folder.rename(new.with_name(f"{new.name}.old"))
            new.rename(folder)
            shutil.rmtree(new.with_name(f"{new.name}.old"), ignore_errors=True)
        except BaseException as error:
            shutil.rmtree(new, ignore_errors=True)
            if isinstance(error, InputError):  # of a file under its temporary name
                raise InputError(folder, error.reason) from error
            raise


def load_weights(folder: str | os.PathLike[str]) -> Weights:
    """Reads a weights folder.

    Raises:
        InputError: not a weights folder, a file missing or damaged, or tensors that are not the
            ones the card describes.
    """
    folder = pathlib.Path(folder)
    for name in (_TENSORS, _CONFIG, _CARD):
        if not (folder / name).is_file():
            raise InputError(folder, f"not a weights folder: {name} is missing")
    config, card = read_json(folder / _CONFIG), read_json(folder / _CARD)
    # Streamed and mapped: the file is never in memory beside its arrays.
    with (
        as_input_error(folder / _TENSORS, "cannot be read"),
        (folder / _TENSORS).open("rb") as file,
    ):
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != card.get("sha256"):
        raise InputError(folder / _TENSORS, f"is damaged: its SHA-256 is not the one in {_CARD}")
    try:
        flat = safetensors.numpy.load_file(folder / _TENSORS)
    except safetensors.SafetensorError as error:
        raise InputError(folder / _TENSORS, f"is damaged: {error}") from error
    return Weights(unflatten(flat), config, card)


def released() -> list[str]:
    """Names of the weights that come with the package."""
    return sorted(file.parent.name for file in _RELEASED.glob(f"*/{_TENSORS}"))


def load_variables(run: str | os.PathLike[str]) -> dict[str, Any]:
    """The averaged variables of the newest checkpoint of a run directory.

    Raises:
        InputError: no checkpoint, or one that is damaged.
    """
    with Checkpoints(pathlib.Path(run) / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.restore_part("ema")


def find_weights(name_or_path: str | os.PathLike[str]) -> Weights:
    """Weights by released name, weights folder or run directory.

    A released name goes before a folder of that name; `./name` means the folder.

    Raises:
        InputError: none of the three, or damaged.
    """
    if os.fspath(name_or_path) in released():
        return load_weights(_RELEASED / name_or_path)
    path = pathlib.Path(name_or_path)
    if (path / "checkpoints").is_dir():
        config = read_json(path / _CONFIG)
        if not isinstance(config, dict) or "method" not in config:
            raise InputError(path / _CONFIG, "is not the configuration of a run")
        return Weights(load_variables(path), config["method"], {"run": str(path)})
    if not path.is_dir():
        names = ", ".join(released()) or "none"
        raise InputError(name_or_path, f"no such folder, and no released weights (there: {names})")
    if not (path / _TENSORS).exists():
        raise InputError(path, "holds neither weights nor a run with a checkpoint")
    return load_weights(path)


_RELEASED = pathlib.Path(__file__).parents[1] / "weights"
