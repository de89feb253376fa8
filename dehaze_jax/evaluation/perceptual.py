"""Reads weights of LPIPS, which the user has."""

import hashlib
import os

import jax.numpy as jnp
import numpy as np

from dehaze_jax.errors import InputError
from dehaze_jax.metrics.perceptual import CONVOLUTIONS, LpipsParams
from dehaze_jax.storage.foreign import read_foreign

# Places in torchvision's AlexNet, which the published code keeps.
_PLACES = (0, 3, 6, 8, 10)


def load_lpips(*files: str | os.PathLike[str]) -> LpipsParams:
    """Weights of LPIPS by AlexNet from files that PyTorch or safetensors wrote.

    These are torchvision's AlexNet together with the published linear weights (`alex.pth`), or the
    state dict of the published module, which holds both.

    Args:
        files: read as by `storage.read_foreign`; all tensors that are not needed are passed over.

    Raises:
        InputError: a file cannot be read, a tensor is in none of them or of another shape.
    """
    tensors: dict[str, np.ndarray] = {}
    for file in files:
        tensors |= read_foreign(file)
    source = ", ".join(map(str, files))

    def find(shape: tuple[int, ...], *names: str) -> np.ndarray:
        for name in names:
            if name in tensors:
                if tensors[name].shape != shape:
                    found = tensors[name].shape
                    raise InputError(source, f"{name} is {found}, not {shape} as LPIPS has it")
                return tensors[name].astype(np.float32)
        raise InputError(source, f"holds no {names[0]}: LPIPS needs AlexNet and its linear weights")

    kernels, biases, linear = [], [], []
    for number, (place, layer) in enumerate(zip(_PLACES, CONVOLUTIONS, strict=True)):
        names = f"features.{place}", f"net.slice{number + 1}.{place}"
        shape = (layer.outputs, layer.inputs, layer.size, layer.size)
        kernel = find(shape, *(f"{name}.weight" for name in names))
        kernels.append(jnp.asarray(kernel.transpose(2, 3, 1, 0)))
        biases.append(jnp.asarray(find(shape[:1], *(f"{name}.bias" for name in names))))
        weight = find((1, layer.outputs, 1, 1), f"lin{number}.model.1.weight")
        linear.append(jnp.asarray(weight[0, :, 0, 0]))
    return LpipsParams(tuple(kernels), tuple(biases), tuple(linear))


def digest(params: LpipsParams) -> str:
    """SHA-256 over the weights, for reports."""
    total = hashlib.sha256()
    for part in params:
        for values in part:
            total.update(np.ascontiguousarray(values).tobytes())
    return total.hexdigest()
