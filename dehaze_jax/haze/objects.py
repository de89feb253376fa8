"""Trees and houses of a procedural landscape, at known distances."""

from collections.abc import Iterator

import numpy as np

from dehaze_jax.haze.noise import smoothstep
from dehaze_jax.haze.scenes import Scene
from dehaze_jax.haze.terrain import bare_height

_WALLS = np.array(
    [(0.62, 0.58, 0.5), (0.55, 0.5, 0.44), (0.42, 0.2, 0.13), (0.7, 0.68, 0.64), (0.36, 0.37, 0.4)],
    np.float32,
)
_ROOFS = np.array([(0.3, 0.09, 0.05), (0.16, 0.12, 0.1), (0.2, 0.2, 0.22)], np.float32)


class Canvas:
    """A picture with a depth buffer that objects are drawn into, and its rays (u, v, 1)."""

    def __init__(self, colour: np.ndarray, z: np.ndarray, u: np.ndarray, v: np.ndarray):
        self.colour, self.z, self.u, self.v = colour, z, u, v

    def window(self, left: float, right: float, top: float, bottom: float):
        """Slices of the rows and columns between tangents; None if no pixel lies there."""
        columns = slice(*np.searchsorted(self.u, (left, right)))
        rows = slice(*np.searchsorted(-self.v, (-top, -bottom)))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        return rows, columns

    def put(self, window, inside: np.ndarray, z: np.ndarray, colour: np.ndarray) -> None:
        """Draws where `inside` holds and nothing nearer was drawn."""
        shown = inside & (z < self.z[window])
        self.z[window][shown] = np.broadcast_to(z, shown.shape)[shown]
        self.colour[window][shown] = np.broadcast_to(colour, (*shown.shape, 3))[shown]


def draw_objects(scene: Scene, canvas: Canvas) -> None:
    """Draws all trees and houses."""
    for place in _houses(scene):
        _draw_house(scene, canvas, *place)
    for place in _trees(scene):
        _draw_tree(scene, canvas, *place)


def _grounded(scene: Scene, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height of the ground at places, and which of them are dry and fairly level."""
    x, z = x.astype(np.float32), z.astype(np.float32)
    up = bare_height(scene, x, z)
    aside, ahead = bare_height(scene, x + 0.004, z), bare_height(scene, x, z + 0.004)
    steep = np.hypot(aside - up, ahead - up) / 0.004
    return up, (up > scene.water + 0.001) & (steep < 0.45)


def _trees(scene: Scene) -> Iterator[tuple]:
    rng = np.random.default_rng((scene.seed, 2))
    arid = scene.season.rock[0] > 0.4
    count = int(rng.uniform(20, 70) if arid else rng.uniform(80, 420))
    z = rng.uniform(0.08**0.5, 0.6**0.5, count) ** 2
    x = z * rng.uniform(-1.1, 1.1, count)
    # Some stand in rows and groups.
    grouped = rng.random(count) < 0.6
    anchor = rng.integers(0, count, count) // 9 * 9
    x = np.where(grouped, x[anchor] + rng.normal(0, 0.012, count), x)
    z = np.where(grouped, np.abs(z[anchor] + rng.normal(0, 0.012, count)) + 0.05, z)
    height = 0.0055 * np.exp(rng.normal(0, 0.3, count))
    conifer = rng.random(count) < rng.uniform(0, 1)
    tint = rng.random((count, 2))
    up, dry = _grounded(scene, x, z)
    for i in np.flatnonzero(dry & (up < 0.8 * scene.snow)):
        yield i, x[i], up[i], z[i], height[i], conifer[i], tint[i]


def _draw_tree(scene, canvas, index, x, up, z, height, conifer, tint) -> None:
    half = height * (0.3 if conifer else 0.5)
    base = (up - scene.eye - 0.02 * height) / z
    window = canvas.window((x - half) / z, (x + half) / z, base + height / z, base)
    if window is None:
        return
    a = (canvas.u[window[1]] * z - x)[None] / half
    b = (canvas.v[window[0]] - base)[:, None] / (height / z)
    noise, light, season = scene.noise, scene.light, scene.season
    shift = np.float32(7.31 * index)
    pa, pb = (0 * b + a * (0.3 if conifer else 0.5)).astype(np.float32) + shift, 0 * a + b
    pb = pb.astype(np.float32)
    coarse, leafy = noise(pa, pb, 0.3, 110), noise(pa, pb, 0.09, 111)
    if conifer:
        tier = np.mod(b * 8 + 0.4 * coarse, 1)
        reach = (1.04 - b) * (0.72 + 0.28 * (1 - tier))
        crown = (np.abs(a) < reach * (0.9 + 0.12 * leafy)) & (b > 0.1)
    else:
        crown = (a / 0.92) ** 2 + ((b - 0.6) / 0.38) ** 2 < 1 + 0.28 * coarse + 0.16 * leafy
    trunk = (np.abs(a) < 0.07 * (1.3 - b)) & (b < 0.5)

    side = np.clip(0.5 + 0.4 * a * np.sin(scene.azimuth) + 0.35 * (b - 0.5), 0.1, 1)
    facing = 0.62 - 0.3 * np.cos(scene.azimuth)
    sunny = side * facing * (1 + 0.3 * coarse + 0.35 * leafy)
    leaves = np.asarray(season.forest if conifer else season.leaves, np.float32)
    leaves = leaves * (0.7 + 0.6 * tint[0]) * np.array((1 + 0.3 * (tint[1] - 0.5), 1, 0.9))
    glow = np.asarray(light.sun) * np.clip(sunny, 0, None)[..., None] * 1.2
    lit = leaves * (glow + np.asarray(light.ambient) * (0.55 + 0.4 * b[..., None]))
    bark = np.array((0.05, 0.035, 0.025)) * (np.asarray(light.sun) + light.ambient)
    colour = np.where(crown[..., None], np.maximum(lit, 0), bark)
    canvas.put(window, crown | trunk, np.full_like(b, z), colour)


def _houses(scene: Scene) -> Iterator[tuple]:
    rng = np.random.default_rng((scene.seed, 3))
    if scene.town:
        count, towers = int(rng.uniform(40, 160)), rng.random() < 0.5
        radius = scene.town[2] * np.sqrt(rng.random(count))
        turn = rng.uniform(0, 2 * np.pi, count)
        x, z = scene.town[0] + radius * np.cos(turn), scene.town[1] + radius * np.sin(turn)
    else:
        count, towers = int(rng.uniform(2, 9)), False
        z = rng.uniform(0.14, 0.5, count)
        x = z * rng.uniform(-0.6, 0.6, count)
    size = rng.uniform(0.0022, 0.0045, (count, 3)) * (1.0, 0.8, 1.5)
    if towers:
        tall = rng.random(count) < 0.35
        size[:, 0] *= np.where(tall, 1.6, 1)
        size[:, 2] *= np.where(tall, 1.6, 1)
        size[:, 1] *= np.where(tall, rng.uniform(2, 9, count), 1)
    gabled = size[:, 1] < 0.005
    angle = rng.normal(rng.uniform(-0.7, 0.7), 0.12, count) + rng.integers(0, 2, count) * np.pi / 2
    looks = rng.random((count, 3))
    up, dry = _grounded(scene, x, z)
    for i in np.flatnonzero(dry & (z > 0.1)):
        yield np.array((x[i], up[i], z[i])), size[i], gabled[i], angle[i], looks[i]


def _draw_house(scene, canvas, foot, size, gabled, angle, looks) -> None:
    """A convex body: rays enter it at the last of the planes that face them."""
    width, height, length = size
    cos, sin = np.cos(angle), np.sin(angle)
    ahead, across = np.array((cos, 0, sin)), np.array((-sin, 0, cos))
    upward = np.array((0.0, 1.0, 0.0))
    ridge = 0.5 * width if gabled else 0.0
    planes = [(across, length / 2), (-across, length / 2), (ahead, width / 2), (-ahead, width / 2)]
    if gabled:
        pitch = (height + ridge) / np.hypot(ridge, width / 2) * (width / 2)
        slant = np.hypot(ridge, width / 2)
        planes += [((upward * width / 2 + s * ahead * ridge) / slant, pitch) for s in (1, -1)]
    else:
        planes += [(upward, height)]
    reach, z = np.hypot(width, length) / 2, foot[2]
    tops = (foot[1] + height + ridge - scene.eye) / np.array((z - reach, z + reach))
    feet = (foot[1] - scene.eye - 0.5 * height) / np.array((z - reach, z + reach))
    edges = np.array((foot[0] - reach, foot[0] + reach)) / np.array([[z - reach], [z + reach]])
    window = canvas.window(edges.min(), edges.max(), tops.max(), feet.min())
    if window is None:
        return
    u, v = canvas.u[window[1]][None].astype(float), canvas.v[window[0]][:, None].astype(float)
    eye = np.array((0.0, scene.eye, 0.0)) - foot
    enter, leave = np.zeros((len(v), u.shape[1])), np.full((len(v), u.shape[1]), np.inf)
    face = np.zeros(enter.shape, np.int32)
    for index, (normal, offset) in enumerate(planes):
        along = normal[0] * u + normal[1] * v + normal[2]
        t = (offset - normal @ eye) / np.where(np.abs(along) < 1e-9, 1e-9, along)
        later = (along < 0) & (t > enter)
        face, enter = np.where(later, index, face), np.where(later, t, enter)
        leave = np.where(along > 0, np.minimum(leave, t), leave)

    light, sun = scene.light, scene.sun
    wall = _WALLS[int(looks[0] * len(_WALLS))] * (0.8 + 0.4 * looks[1])
    roof = _ROOFS[int(looks[2] * len(_ROOFS))] if gabled else wall * 0.6
    facing = np.array([max(0.0, float(normal @ sun)) for normal, _ in planes])
    glow = facing[:, None] * np.asarray(light.sun) * 1.1 + np.asarray(light.ambient)
    albedo = np.stack([wall if index < 4 else roof for index in range(len(planes))])
    colour = (albedo * glow)[face]
    # Windows: a grid on the walls, in the body's own lengths.
    px, py, pz = eye[0] + enter * u, eye[1] + enter * v, eye[2] + enter
    sideways = np.where(face < 2, px * cos + pz * sin, -px * sin + pz * cos)
    storey = 0.0011
    fx, fy = np.mod(sideways / (0.9 * storey), 1), np.mod(py / storey, 1)
    pane = (np.abs(fx - 0.5) < 0.27) & (np.abs(fy - 0.5) < 0.3) & (face < 4) & (py < height)
    colour = np.where(pane[..., None], colour * 0.3 + 0.06 * np.asarray(light.horizon), colour)
    colour = colour * (0.85 + 0.15 * smoothstep(-0.001, 0.003, py))[..., None]
    canvas.put(window, (enter < leave) & (enter > 0), enter.astype(np.float32), colour)
