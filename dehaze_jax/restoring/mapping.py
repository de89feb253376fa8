"""What a method finds in a picture beside the restored one: transmission, depth, airlight."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dehaze_jax.arrays import Tree
from dehaze_jax.errors import InputError
from dehaze_jax.image.atomic import replacing
from dehaze_jax.image.files import write
from dehaze_jax.image.ranges import from_float
from dehaze_jax.methods.protocol import Maps, Method, Rows
from dehaze_jax.restoring.cutting import STRIP_PIXELS, Pixels, Progress, over_strips
from dehaze_jax.restoring.planning import MapFiles
from dehaze_jax.restoring.strips import check_finite, unit_of

_TINY = np.finfo(np.float32).tiny


class PictureMaps(NamedTuple):
    """`methods.Maps` of a whole picture, in float32.

    Attributes:
        planes: one value a pixel, `[h, w]`, by name.
        values: one or a few for the picture, by name.
    """

    planes: dict[str, np.ndarray]
    values: dict[str, np.ndarray]


def maps_of(method: Method) -> Callable[..., Maps]:
    """`Method.maps`, where there is one.

    Raises:
        InputError: there is none; names the method.
    """
    if method.maps is None:
        raise InputError(method.name, "this method, as it was loaded, gives no maps")
    return method.maps


def map_rows(
    method: Method,
    context: Tree,
    picture: Pixels,
    *,
    strip_pixels: int = STRIP_PIXELS,
    progress: Progress | None = None,
) -> PictureMaps:
    """Finds the maps of a picture in the strips of `restore_rows`, on the device of `context`.

    Args:
        method: what finds them.
        context: what `summarise_picture` returned for this picture.
        picture: pixels of any size from 1 x 1.
        strip_pixels: about as many pixels are on the device at once.
        progress: called after each strip.

    Raises:
        InputError: the method has none, or one is not finite.
    """
    find = maps_of(method)
    values: dict[str, jax.Array] = {}

    def map_strip(pixels: np.ndarray, where: Rows) -> dict[str, jax.Array]:
        maps = find(context, unit_of(pixels), where)
        values.update(maps.values)  # every strip says the same
        inside = slice(method.halo, len(pixels) - method.halo)
        planes = {name: plane[inside] for name, plane in maps.planes.items()}
        planes, finite = _finish(planes, maps.values)
        check_finite(finite, "its maps")
        return planes

    planes = over_strips(
        picture, map_strip, halo=method.halo, strip_pixels=strip_pixels, progress=progress
    )
    return PictureMaps(
        planes, {name: np.asarray(value, np.float32) for name, value in values.items()}
    )


def write_maps(files: MapFiles, maps: PictureMaps) -> None:
    """Writes maps that have `transmission` and `depth`, each file atomically.

    Raises:
        InputError: a file cannot be written.
    """
    transmission, depth = maps.planes["transmission"], maps.planes["depth"]
    write(files.transmission, from_float(transmission, np.uint16))
    write(files.depth, from_float(depth / max(depth.max(), _TINY), np.uint16))
    arrays: dict[str, Any] = {**maps.planes, **maps.values}
    with replacing(files.arrays) as stream:
        np.savez(stream, **arrays)


@jax.jit
def _finish(planes, values):
    leaves = jax.tree.leaves((planes, values))
    finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()
    return {name: plane.astype(jnp.float32) for name, plane in planes.items()}, finite
