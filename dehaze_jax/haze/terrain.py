"""Height of a procedural landscape, and where rays of sight meet it."""

from typing import NamedTuple

import numpy as np

from dehaze_jax.haze.noise import smoothstep
from dehaze_jax.haze.scenes import Scene

_PLANES = 900  # distances at which the terrain is sampled; straight between them


class Hits(NamedTuple):
    """Where rays meet the land; arrays `[rows, columns]`.

    Attributes:
        land: whether the ray meets land or water at all.
        z: distance along the optical axis.
        x: offset to the right.
        up: height.
        slope_x, slope_z: derivatives of the height.
        woods: share of wood there.
    """

    land: np.ndarray
    z: np.ndarray
    x: np.ndarray
    up: np.ndarray
    slope_x: np.ndarray
    slope_z: np.ndarray
    woods: np.ndarray


def bare_height(scene: Scene, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Height of the ground without water and woods."""
    noise = scene.noise
    sx, sz = scene.in_noise(x, z)
    near = smoothstep(0.04, 0.35, z)
    up = scene.hills * near * noise.fractal(sx, sz, 0.42, 4, 1)
    warped = z + 0.12 * noise(sx, sz, 0.7, 9)
    crests = noise.ridged(sx, sz, 0.36, 6, 11)
    mountains = np.float32(0)
    for distance, breadth, height in scene.ranges:
        mountains = mountains + height * np.exp(-(((warped - distance) / breadth) ** 2))
    along = np.clip(0.62 + 0.4 * noise(sx, sz, 0.5, 20), 0.12, 1.5)
    return up + near * mountains * along * crests


def wood_share(scene: Scene, x: np.ndarray, z: np.ndarray, up: np.ndarray) -> np.ndarray:
    """0 in the open, 1 in a wood."""
    sx, sz = scene.in_noise(x, z)
    wooded = smoothstep(0.0, 0.25, scene.noise.fractal(sx, sz, 0.2, 4, 30) - scene.woods)
    tree_line = 1 - smoothstep(0.75, 1.0, up / scene.snow)
    shore = smoothstep(0.0, 0.0015, up - scene.water)
    return wooded * tree_line * shore * smoothstep(0.1, 0.16, z)


def surface(scene: Scene, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height with water and the roof of the woods, and the share of wood."""
    up = bare_height(scene, x, z)
    woods = wood_share(scene, x, z, up)
    sx, sz = scene.in_noise(x, z)
    crowns = 0.5 + 0.22 * scene.noise(sx, sz, 0.007, 40) + 0.12 * scene.noise(sx, sz, 0.003, 41)
    return np.maximum(up + 0.0045 * woods * crowns, scene.water), woods


def cast(scene: Scene, u: np.ndarray, v: np.ndarray) -> Hits:
    """Meets the rays (u, v, 1) with the terrain.

    Args:
        scene: the landscape.
        u: tangents of the columns, equally spaced, growing.
        v: tangents of the rows above the horizontal, falling.
    """
    nearest = 0.6 * scene.eye / max(0.05, -v[-1])
    z = np.geomspace(min(nearest, 0.5), 1.0, _PLANES, dtype=np.float32)[:, None]
    # One column more on each side, for the slopes.
    step = np.float32(1e-3) if len(u) == 1 else u[1] - u[0]
    columns = np.concatenate([u[:1] - step, u, u[-1:] + step])
    up, woods = surface(scene, z * columns, z)
    slope_x = (up[:, 2:] - up[:, :-2]) / (2 * step * z)
    up, woods = up[:, 1:-1], woods[:, 1:-1]
    slope_z = np.gradient(up, z[:, 0], axis=0) - u * slope_x

    seen = np.maximum.accumulate((up - scene.eye) / z, axis=0)
    first = np.stack(
        [np.searchsorted(seen[:, i], v) for i in range(len(u))], axis=1
    )  # plane behind the hit
    land = first < _PLANES
    behind = np.clip(first, 1, _PLANES - 1)
    column = np.arange(len(u))[None]

    z0, z1 = z[behind - 1, 0], z[behind, 0]
    over0 = up[behind - 1, column] - scene.eye - v[:, None] * z0
    over1 = up[behind, column] - scene.eye - v[:, None] * z1
    rise = over1 - over0
    t = np.clip(-over0 / np.where(np.abs(rise) < 1e-12, 1e-12, rise), 0, 1)
    hit_z = z0 + t * (z1 - z0)

    def between(grid):
        low = grid[behind - 1, column]
        return low + t * (grid[behind, column] - low)

    return Hits(
        land=land,
        z=hit_z,
        x=hit_z * u,
        up=scene.eye + v[:, None] * hit_z,
        slope_x=between(slope_x),
        slope_z=between(slope_z),
        woods=between(woods),
    )
