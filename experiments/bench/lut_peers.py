"""What `lut.py` measures, and how other libraries do it."""

import importlib
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from measuring import Way

HEIGHT, WIDTH, SIZE = 2160, 3840, 33
Candidate: TypeAlias = tuple[Way, Callable[[Any], np.ndarray]]
"""A way, and what makes an array of its result."""


def photograph() -> np.ndarray:
    """A photograph, enlarged, with the noise that enlarging took away; uint8."""
    import cv2
    from skimage import data

    picture = cv2.resize(data.astronaut()[:288], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def grading() -> np.ndarray:
    """A table that is smooth and no function of each channel alone."""
    nodes = np.moveaxis(np.indices((SIZE,) * 3), 0, -1) / (SIZE - 1)
    table = 0.9 * nodes**1.3 + 0.05 * np.sin(6 * nodes[..., ::-1])
    return np.clip(table, 0, 1).astype(np.float32)


class Inputs:
    """Pictures, table and cotangent, and the threads."""

    def __init__(self, threads: int):
        self.threads, self.pool = threads, ThreadPoolExecutor(threads)
        self.table, self.bytes = grading(), photograph()
        # Off the ends and the nodes, where derivatives are what one defines them to be.
        self.floats = (self.bytes.astype(np.float32) + 0.5) / 256
        self.cotangent = np.random.default_rng(1).normal(size=self.floats.shape).astype(np.float32)

    def in_parts(self, function: Callable, *arrays: np.ndarray) -> list:
        """Calls a function with each part of the rows, a thread for each."""
        parts = zip(*(np.array_split(array, self.threads) for array in arrays), strict=True)
        return list(self.pool.map(lambda part: function(*part), parts))


def gathers(table, image):
    """Trilinear look-up as one would write it in JAX, with XLA's own derivatives."""
    import jax.numpy as jnp

    scaled = jnp.clip(image, 0, 1) * (SIZE - 1)
    cell = jnp.clip(scaled.astype(jnp.int32), 0, SIZE - 2)
    fraction = scaled - cell
    out = jnp.zeros_like(image)
    for corner in itertools.product((0, 1), repeat=3):
        weight = jnp.where(jnp.array(corner) == 1, fraction, 1 - fraction).prod(-1, keepdims=True)
        out += weight * table[tuple(jnp.moveaxis(cell + jnp.array(corner), -1, 0))]
    return out


def jax_map_coordinates(table, image):
    """`jax.scipy.ndimage.map_coordinates`, channel by channel."""
    import jax
    import jax.numpy as jnp

    at = list(jnp.moveaxis(image * (SIZE - 1), -1, 0))
    read = partial(jax.scipy.ndimage.map_coordinates, coordinates=at, order=1, mode="nearest")
    return jnp.stack([read(table[..., k]) for k in range(3)], axis=-1)


def dm_pix_interpolate(table, image):
    """dm_pix's `flat_nd_linear_interpolate`, channel by channel."""
    import dm_pix  # pyright: ignore[reportMissingImports]
    import jax.numpy as jnp

    at = jnp.moveaxis(image * (SIZE - 1), -1, 0)
    shape = (SIZE,) * 3
    read = partial(dm_pix.flat_nd_linear_interpolate, coordinates=at, unflattened_vol_shape=shape)
    return jnp.stack([read(table[..., k].reshape(-1)) for k in range(3)], axis=-1)


def compiled(name: str, task: str, function: Callable, *arguments) -> Candidate:
    """A compiled JAX function, and what makes an array of its result."""
    import jax
    import jax.numpy as jnp

    arguments = jax.tree.map(jnp.asarray, arguments)
    program = jax.jit(function).lower(*arguments).compile()
    memory = program.memory_analysis()
    way = Way(
        task=task,
        name=name,
        run=lambda: jax.block_until_ready(program(*arguments)),
        scratch=memory.temp_size_in_bytes / 1e6 if memory else None,
    )
    return way, np.asarray


def opencolorio_way(inputs: Inputs, task: str, interpolation: str, pixels: np.ndarray) -> Candidate:
    """OpenColorIO's processor for the depth of the pixels."""
    ocio: Any = importlib.import_module("PyOpenColorIO")  # has no types
    depth = ocio.BIT_DEPTH_UINT8 if pixels.dtype == np.uint8 else ocio.BIT_DEPTH_F32
    transform = ocio.Lut3DTransform(gridSize=SIZE)
    transform.setData(inputs.table.reshape(-1))
    kinds = {"trilinear": ocio.INTERP_LINEAR, "tetrahedral": ocio.INTERP_TETRAHEDRAL}
    transform.setInterpolation(kinds[interpolation])
    processor = ocio.Config.CreateRaw().getProcessor(transform)
    processor = processor.getOptimizedCPUProcessor(depth, depth, ocio.OPTIMIZATION_DEFAULT)

    def describe(part):
        return ocio.PackedImageDesc(part, WIDTH, len(part), 3, depth, *part.strides[::-1])

    source, target = pixels.copy(), np.empty_like(pixels)
    parts = inputs.in_parts(lambda *pair: tuple(map(describe, pair)), source, target)

    def run():
        list(inputs.pool.map(lambda pair: processor.apply(*pair), parts))
        return target

    return Way(task=task, name="OpenColorIO", run=run), np.asarray


def pillow_way(inputs: Inputs, task: str) -> Candidate:
    """Pillow's `Color3DLUT`."""
    from PIL import Image, ImageFilter

    table = ImageFilter.Color3DLUT(SIZE, inputs.table.transpose(2, 1, 0, 3).reshape(-1, 3))
    parts = inputs.in_parts(Image.fromarray, inputs.bytes)
    run = lambda: list(inputs.pool.map(lambda part: part.filter(table), parts))  # noqa: E731
    return Way(task=task, name="Pillow", run=run), lambda parts: np.concatenate(
        [np.asarray(part) for part in parts]
    )


def scipy_way(inputs: Inputs, task: str) -> Candidate:
    """`scipy.ndimage.map_coordinates`, channel by channel."""
    from scipy.ndimage import map_coordinates

    channels = [np.ascontiguousarray(inputs.table[..., k]) for k in range(3)]

    def part(image):
        at = np.moveaxis(image * (SIZE - 1), -1, 0)
        return [map_coordinates(c, at, order=1, mode="nearest") for c in channels]

    return Way(
        task=task,
        name="`scipy.ndimage.map_coordinates`",
        run=lambda: inputs.in_parts(part, inputs.floats),
    ), lambda parts: np.moveaxis(np.concatenate(parts, axis=1), 0, -1)


def torch_way(inputs: Inputs, task: str, gradient: str | None = None) -> Candidate:
    """PyTorch's `grid_sample`, or its gradient with respect to the table or the image."""
    import torch  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(inputs.threads)
    volume = torch.tensor(inputs.table.transpose(3, 0, 1, 2)[None].copy())
    grid = torch.tensor(2 * inputs.floats[None, None, ..., ::-1] - 1)
    sample = partial(torch.nn.functional.grid_sample, padding_mode="border", align_corners=True)
    name = "PyTorch `grid_sample`"
    if gradient is None:
        way = Way(task=task, name=name, run=lambda: sample(volume, grid))
        return way, lambda out: np.moveaxis(out.numpy()[0, :, 0], 0, -1)
    wanted = {"table": volume, "image": grid}[gradient].requires_grad_()
    out = sample(volume, grid)
    cotangent = torch.tensor(np.moveaxis(inputs.cotangent, -1, 0)[None, :, None].copy())
    run = lambda: torch.autograd.grad(out, wanted, cotangent, retain_graph=True)[0]  # noqa: E731
    if gradient == "table":
        return Way(task=task, name=name, run=run), lambda d: np.moveaxis(d.numpy()[0], 0, -1)
    return Way(task=task, name=name, run=run), lambda d: 2 * d.numpy()[0, 0, ..., ::-1]
