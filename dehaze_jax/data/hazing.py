"""Haze onto pictures and files of pictures."""

import dataclasses
import math
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dehaze_jax.arrays import Key
from dehaze_jax.data.depths import DepthMaps, plausible_depth
from dehaze_jax.errors import InputError
from dehaze_jax.haze.density import density_field
from dehaze_jax.haze.scattering import render
from dehaze_jax.image.files import read, read_depth, write
from dehaze_jax.image.picture import Picture
from dehaze_jax.image.ranges import from_float, to_float

_FIELD = 256
"""Side in pixels at which density is drawn; its finest patches are 16 of them wide."""

_LARGEST_SPREAD = 5
"""Of the logarithm of the density: beyond, nearly all haze is in a few pixels."""


def density(seed: int, height: int, width: int, *, strength: float) -> np.ndarray:
    """A `haze.density_field` of mean 1 at any size, enlarged from a fixed one.

    It is smooth, so nothing is lost, and JAX compiles it once for all pictures.

    Args:
        seed: which field.
        height: rows.
        width: columns.
        strength: standard deviation of the logarithm of the density; 0 is 1 everywhere.
    """
    if strength == 0:
        return np.ones((height, width), np.float32)
    # The strength is a factor of the logarithm, so a power brings it in.
    field = np.asarray(_field_of_strength_one(jax.random.key(seed))) ** np.float32(strength)
    rows, columns = (max(1, round(_FIELD * n / max(height, width))) for n in (height, width))
    enlarged = cv2.resize(field[:rows, :columns], (width, height), interpolation=cv2.INTER_LINEAR)
    return enlarged / enlarged.mean()


@jax.jit
def _field_of_strength_one(key: Key) -> Float[Array, "side side"]:
    return density_field(key, _FIELD, _FIELD, strength=1.0)


def add_haze(
    picture: Picture,
    depth: np.ndarray | None = None,
    *,
    beta: float,
    airlight: Sequence[float] = (0.9, 0.9, 0.9),
    non_homogeneous: float = 0.0,
    seed: int = 0,
) -> Picture:
    """Renders haze onto a clear picture; bit depth, alpha and profile stay as they are.

    Args:
        picture: the clear picture.
        depth: float32 `[h, w]`, larger is farther; None takes `plausible_depth`, whose farthest
            point has depth 1.
        beta: scattering coefficient per unit of depth, not negative.
        airlight: colour of the haze, R G B in [0, 1].
        non_homogeneous: standard deviation of the logarithm of the density over the picture, at
            most 5.
        seed: of the plausible depth and of the density.

    Raises:
        InputError: a parameter out of range, or a depth of another size than the picture or below
            zero.
    """
    if not 0 <= beta < math.inf:
        raise InputError("beta", f"{beta} must be a number, and not negative")
    if len(airlight) != 3 or not all(0 <= channel <= 1 for channel in airlight):
        raise InputError("airlight", "must be three numbers, each in [0, 1]")
    if not 0 <= non_homogeneous <= _LARGEST_SPREAD:
        raise InputError("non-homogeneous", f"{non_homogeneous} is not in 0 to {_LARGEST_SPREAD}")
    if seed < 0:
        raise InputError("seed", f"{seed} is below zero")
    clear = to_float(picture.pixels)
    height, width = clear.shape[:2]
    if depth is None:
        depth = plausible_depth(seed, clear)
    if depth.shape != (height, width):
        sizes = f"{depth.shape[1]} x {depth.shape[0]}, the picture {width} x {height}"
        raise InputError("depth", f"is {sizes}")
    if depth.min() < 0:
        raise InputError("depth", "is below zero")
    field = density(seed, height, width, strength=non_homogeneous)
    hazy = render(
        jnp.asarray(clear),
        jnp.asarray(depth, jnp.float32),
        beta=jnp.asarray(beta * field, jnp.float32),
        airlight=jnp.asarray(airlight, jnp.float32),
    )
    grey = picture.grey and len(set(airlight)) == 1
    pixels = from_float(np.asarray(hazy), picture.pixels.dtype)
    return dataclasses.replace(picture, pixels=pixels, grey=grey)


def render_files(
    jobs: Sequence[tuple[pathlib.Path, pathlib.Path]],
    *,
    depth: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Iterator[tuple[pathlib.Path, InputError | None]]:
    """Renders haze onto files, one after the other, and goes on past those that fail.

    Args:
        jobs: clear picture and hazy file of each.
        depth: depth map of a single picture, or folder of depth maps by name.
        **options: of `add_haze`.

    Yields:
        Each hazy file as it is written, or with what kept it from being written.

    Raises:
        InputError: one depth map for several pictures.
    """
    maps = DepthMaps(depth) if depth is not None and os.path.isdir(depth) else None
    if depth is not None and maps is None and len(jobs) > 1:
        raise InputError(depth, "is one depth map for several pictures; give a folder")
    for source, target in jobs:
        try:
            given = depth if maps is None else _depth_of(source, maps)
            picture = read(source)
            try:
                hazy = add_haze(picture, None if given is None else read_depth(given), **options)
            except InputError as error:
                at_fault = (
                    given if given is not None and error.subject == "depth" else error.subject
                )
                raise InputError(at_fault, error.reason) from error
            target.parent.mkdir(parents=True, exist_ok=True)
            write(target, hazy)
        except InputError as error:
            yield target, error
        except OSError as error:
            yield target, InputError(target, f"cannot be written: {error.strerror or error}")
        else:
            yield target, None


def _depth_of(source: pathlib.Path, maps: DepthMaps) -> pathlib.Path:
    found = maps.find(source.stem)
    if found is None:
        raise InputError(source, f"has no depth map in {maps.folder}")
    return found
