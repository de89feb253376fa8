"""Tensors of checkpoints that other programs wrote."""

import importlib
import os
import pathlib
import re
import warnings
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from dehaze_jax.errors import InputError
from dehaze_jax.storage.files import as_input_error

_KEYS = ("state_dict", "model", "params")  # under which training scripts keep a state dict
_PREFIX = "module."  # of a model that was trained on several devices
_BRAIN = np.dtype(jnp.bfloat16)  # with jax.numpy in the process, safetensors knows it too


def read_foreign(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads the tensors of a checkpoint by name.

    A file called `.safetensors` is read without PyTorch, any other with it, and without running
    anything that the file says. The state dict may stand under `state_dict`, `model` or `params`.
    Of several under other names each tensor is called by both names, as in `net.conv.weight`. A
    `module.` before all names is taken off, and what is not a tensor is passed over.

    Args:
        path: the checkpoint.

    Returns:
        Arrays of the file's types, bfloat16 as float32.

    Raises:
        InputError: cannot be read, damaged, of another kind, or holds objects instead of tensors;
            PyTorch is needed and not installed.
    """
    path = pathlib.Path(path)
    with as_input_error(path, "cannot be read"), open(path, "rb"):
        pass  # what is missing, a folder or forbidden is told before PyTorch is asked for
    safe = path.suffix.lower() == ".safetensors"
    tensors = _read_safetensors(path) if safe else _read_torch(path)
    if not tensors:
        raise InputError(path, "holds no tensors")
    return _without_prefix(tensors)


def _read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        tensors = safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise InputError(path, f"is damaged: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(path, f"has tensors of a type that NumPy lacks: {error}") from error
    return {
        name: value.astype(np.float32) if value.dtype == _BRAIN else value
        for name, value in tensors.items()
    }


def _read_torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise InputError(
            path, "needs PyTorch to be read: pip install torch, or save it as .safetensors"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(path, _reason(str(error))) from error
    tensors = _state_dict(torch, content)
    if tensors is None:
        raise InputError(path, f"holds no state dict but a {type(content).__name__}")
    return {name: _array(path, name, tensor) for name, tensor in tensors.items()}


def _reason(error: str) -> str:
    """What PyTorch says over many lines, in one."""
    if found := re.search(r"GLOBAL ([\w.]+\.\w+)\s", error):
        return (
            f"holds an object ({found[1]}) and not only tensors; objects run code when they are "
            "read: save the model's state_dict() alone"
        )
    if "TorchScript" in error:
        return "is a TorchScript program, not a checkpoint: save its state_dict()"
    said = re.split(r"[\n.:](?:\s|$)", error.strip(), maxsplit=1)[0]
    return "is damaged or no PyTorch checkpoint" + (f" ({said})" if " " in said else "")


def _state_dict(torch: Any, content: Any) -> dict[str, Any] | None:
    if not isinstance(content, Mapping):
        return None
    for key in _KEYS:
        if isinstance(content.get(key), Mapping):
            content = content[key]
            break

    def tensors(content: Mapping[Any, Any]) -> dict[str, Any]:
        return {str(key): value for key, value in content.items() if torch.is_tensor(value)}

    found = tensors(content)
    for key, value in content.items():
        if isinstance(value, Mapping):
            named = _without_prefix(tensors(value))
            found |= {f"{key}.{name}": tensor for name, tensor in named.items()}
    return found


def _without_prefix(tensors: dict[str, Any]) -> dict[str, Any]:
    if all(name.startswith(_PREFIX) for name in tensors):
        return {name.removeprefix(_PREFIX): value for name, value in tensors.items()}
    return tensors


def _array(path: pathlib.Path, name: str, tensor: Any) -> np.ndarray:
    try:
        if str(tensor.dtype) == "torch.bfloat16":
            tensor = tensor.float()
        return tensor.detach().numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        kind = f"{tensor.dtype}, {tensor.layout}, on {tensor.device}"
        raise InputError(path, f"{name} cannot be an array ({kind})") from error
