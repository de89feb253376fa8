"""Procedural landscapes with exact depth, in NumPy: no JAX is needed to make them."""

import numpy as np

from dehaze_jax.haze.objects import Canvas, draw_objects
from dehaze_jax.haze.scenes import Scene
from dehaze_jax.haze.surfaces import land, sky, water
from dehaze_jax.haze.terrain import Hits, cast

SKY_DEPTH = 1.5
_STRIP = 1 << 15  # pixels worked on at once


def landscape(
    seed: int, height: int, width: int, *, samples: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A haze-free landscape and the distance of everything in it.

    Hills, mountains, fields, woods, water, roads, trees and towns under a sky, in perspective. A
    seed gives the same scene at every size; the vertical field of view is that of the scene, so a
    wider picture shows more at its sides.

    Args:
        seed: which scene, not negative.
        height: rows.
        width: columns.
        samples: rays along each side of a pixel, whose colours and distances are averaged; by
            default 2 up to 512 x 512 pixels, else 1.

    Returns:
        `clear`, float32 `[height, width, 3]`, sRGB-encoded in [0, 1], and `depth`, float32
        `[height, width]`: distance along the ray, in units of the distance of the land's far
        edge, so that most land lies between 0.1 and 1; the sky is at `SKY_DEPTH`. A beta of 0.5
        is then thin haze, 2.5 dense.
    """
    if samples is None:
        samples = 2 if height * width <= 1 << 18 else 1
    scene = Scene.create(seed)
    rows, columns = height * samples, width * samples
    v = (scene.horizon - (np.arange(rows) + 0.5) / rows) / scene.focal
    u = (np.arange(columns) + 0.5 - columns / 2) / rows / scene.focal
    u, v = u.astype(np.float32), v.astype(np.float32)

    colour = np.empty((rows, columns, 3), np.float32)
    z = np.empty((rows, columns), np.float32)
    strip = max(1, _STRIP // rows)
    for start in range(0, columns, strip):
        part = slice(start, start + strip)
        colour[:, part], z[:, part] = _background(scene, u[part], v)
    draw_objects(scene, Canvas(colour, z, u, v))

    # Curved towards white, then encoded with a gamma of 2.
    np.sqrt(np.clip(1 - np.exp(-1.5 * colour), 0, 1), out=colour)
    distance = z * np.sqrt(1 + u[None] ** 2 + v[:, None] ** 2)
    depth = np.where(np.isinf(z), np.float32(SKY_DEPTH), distance)
    if samples > 1:
        shape = (height, samples, width, samples)
        colour = colour.reshape(*shape, 3).mean(axis=(1, 3))
        depth = depth.reshape(shape).mean(axis=(1, 3))
    return colour, depth.astype(np.float32)


def _background(scene: Scene, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour and z of sky, land and water in some columns; z of the sky is infinite."""
    hits = cast(scene, u, v)
    picture = np.empty((len(v), len(u), 3), np.float32)
    # Only the rows that hold any sky, and those that hold any land.
    with_sky = np.flatnonzero((~hits.land).any(axis=1))
    with_land = np.flatnonzero(hits.land.any(axis=1))
    above = slice(0, int(with_sky.max(initial=-1)) + 1)
    below = slice(int(with_land.min(initial=len(v))), len(v))
    if len(with_sky):
        picture[above] = sky(scene, *np.broadcast_arrays(u[None], v[above, None]))
    if len(with_land):
        shown = Hits(*(field[below] for field in hits))
        footprint = shown.z * np.float32(abs(v[0] - v[-1]) / max(1, len(v) - 1))
        np.copyto(picture[below], land(scene, shown, footprint), where=shown.land[..., None])
        wet = shown.land & (shown.up <= scene.water + 1e-5)
        if wet.any():
            mirror = water(scene, shown, picture, v, below.start, footprint)
            np.copyto(picture[below], mirror, where=wet[..., None])
    return picture, np.where(hits.land, hits.z, np.float32(np.inf))
