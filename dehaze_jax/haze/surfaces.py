"""Colours of sky, land and water of a procedural landscape. Colours are linear RGB."""

import numpy as np

from dehaze_jax.haze.noise import smoothstep
from dehaze_jax.haze.scenes import Scene
from dehaze_jax.haze.terrain import Hits


def _mix(a: np.ndarray, b, share: np.ndarray) -> np.ndarray:
    return a + (np.asarray(b, np.float32) - a) * share[..., None]


def sky(scene: Scene, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Sky at the rays (u, v, 1), with clouds and the glow of the sun."""
    light = scene.light
    length = np.sqrt(u * u + v * v + 1)
    high = np.clip(v / length, 0, 1)
    share = 1 - np.exp(-4.5 * high)
    colour = _mix(np.asarray(light.horizon, np.float32) + 0 * high[..., None], light.zenith, share)
    sun = scene.sun
    cosine = np.clip((u * sun[0] + v * sun[1] + sun[2]) / length, 0, 1)
    glow = 0.35 * cosine**8 + 0.5 * cosine**64
    colour += glow[..., None] * np.asarray(light.sun, np.float32) * 0.5

    # A flat deck of clouds, met by the ray at distance 1 / rise.
    rise = np.maximum(v, 0) / length + 0.06
    x, z = u / rise * 0.3 + scene.origin[1], 1 / rise * 0.3 + scene.origin[0]
    x, z = x.astype(np.float32), z.astype(np.float32)
    noise = scene.noise
    body = noise.fractal(x, z, 1.6, 6, 50)
    lit = noise.fractal(x - 0.1 * sun[0], z - 0.1 * sun[2], 1.6, 3, 50)
    cover = smoothstep(0.0, 0.9, body - scene.cloud_cover) * smoothstep(0.0, 0.12, v)
    bright = np.clip(0.75 - 0.22 * (lit - scene.cloud_cover), 0.3, 1.0)[..., None]
    sunny = 0.55 * np.asarray(light.sun, np.float32) + 0.5 * np.asarray(light.ambient, np.float32)
    return colour + (sunny * bright - colour) * (0.9 * cover)[..., None]


def land(scene: Scene, hits: Hits, footprint: np.ndarray) -> np.ndarray:
    """Land in the light of the sun.

    Args:
        scene: the landscape.
        hits: where it is seen.
        footprint: width of a pixel there; texture finer than that fades out.
    """
    noise, season = scene.noise, scene.season
    # Heights enter, or texture would be drawn out into streaks on cliffs.
    x, z = scene.in_noise(hits.x + 0.5 * hits.up, hits.z + 0.9 * hits.up)

    # Ground is seen at a slant: its texture is squeezed in depth.
    slant = footprint * np.clip(hits.z / np.maximum(scene.eye - hits.up, 0.01), 1, 3)

    def fine(wavelength, salt):
        return noise(x, z, wavelength, salt) * smoothstep(0.6, 2.5, wavelength / slant)

    broad = noise.fractal(x, z, 0.11, 3, 60)
    detail = 0.5 * fine(0.02, 64) + 0.6 * fine(0.008, 65) + 0.6 * fine(0.0033, 66)
    grain = fine(0.0013, 67) + 0.9 * fine(0.0005, 68) + 0.9 * fine(0.0002, 69)
    grain += 0.8 * fine(0.00009, 70)

    colour = _mix(
        np.asarray(season.grass, np.float32) + np.zeros((*x.shape, 1), np.float32),
        season.dry,
        np.clip(0.35 + 0.3 * broad + 0.22 * detail + 0.1 * grain, 0, 1),
    )
    steep = np.sqrt(hits.slope_x**2 + hits.slope_z**2)
    flat = 1 - smoothstep(0.1, 0.2, steep)
    colour = _fields(scene, colour, x, z, slant, flat * (1 - hits.woods))
    bare = smoothstep(0.5, 0.85, steep + 0.12 * detail + 0.08 * broad) * (1 - 0.8 * hits.woods)
    bare = np.maximum(bare, smoothstep(0.6, 1.0, hits.up / scene.snow + 0.12 * detail) * 0.85)
    strata = np.float32(0.8) + 0.16 * detail + 0.1 * noise(hits.up * 9, x * 0.4, 0.02, 71)
    colour = _mix(colour, np.asarray(season.rock, np.float32) * strata[..., None], bare)
    colour = _mix(colour, season.soil, smoothstep(0.003, 0.0, hits.up - scene.water) * 0.8)

    tone = np.clip(0.9 + 0.3 * detail + 0.2 * broad, 0.3, 2)[..., None]
    forest = _mix(
        np.asarray(season.forest, np.float32) * tone,
        season.leaves,
        smoothstep(0.5, 1.6, noise(x, z, 0.012, 73) + 0.4 * detail) * 0.55,
    )
    colour = _mix(colour, forest, hits.woods)
    rough = 0.15 + 0.12 * hits.woods
    colour *= np.clip(1 + 0.12 * detail + rough * grain, 0.25, 1.9)[..., None]

    snow = smoothstep(0.0, 0.25, hits.up / scene.snow - 1 + 0.1 * broad + 0.06 * detail)
    snow *= 1 - smoothstep(0.75, 1.15, steep + 0.1 * detail)
    colour = _mix(colour, (0.86, 0.89, 0.94), snow)
    if scene.road:
        colour = _road(scene, colour, hits)
    return colour * _light(scene, hits, x, z, detail, grain)


def _light(scene, hits, x, z, detail, grain) -> np.ndarray:
    """Sun with rough ground and shadows of clouds, and light of the sky."""
    noise, light, sun = scene.noise, scene.light, scene.sun
    rough = 0.35 + 0.65 * hits.woods
    slope_x = hits.slope_x + rough * (0.16 * detail + 0.12 * grain)
    slope_z = hits.slope_z + rough * (0.16 * noise(x, z, 0.009, 75) - 0.1 * grain)
    facing = (sun[1] - slope_x * sun[0] - slope_z * sun[2]) / np.sqrt(1 + slope_x**2 + slope_z**2)
    shade = 1 - 0.55 * smoothstep(0.1, 0.9, noise.fractal(x, z, 0.5, 3, 80) - scene.cloud_cover)
    direct = (np.clip(facing, 0, 1) * shade)[..., None] * np.asarray(light.sun, np.float32)
    hollow = np.clip(1.0 - 0.25 * hits.woods + 0.12 * detail, 0.5, 1.3)[..., None]
    return 1.15 * direct + hollow * np.asarray(light.ambient, np.float32)


def _fields(scene, colour, x, z, slant, flat) -> np.ndarray:
    """A patchwork of crops, with furrows along one side."""
    noise, season = scene.noise, scene.season
    angle = 0.5 + 0.1 * scene.origin[0]
    bend = 0.012 * noise(x, z, 0.3, 90)
    across = (np.cos(angle) * x + np.sin(angle) * z + bend) / 0.05
    along = (np.cos(angle) * z - np.sin(angle) * x + bend) / 0.085
    strip = np.floor(across)
    along = along + 0.37 * strip * 1.618
    parcel = np.floor(along)
    key = (strip.astype(np.int32) * 73 + parcel.astype(np.int32) * 151) & 1023
    chance = np.random.default_rng((scene.seed, 1)).random((1024, 2), np.float32)
    crops = np.array(
        [season.grass, season.dry, season.soil, season.leaves, np.multiply(season.grass, 0.6)],
        np.float32,
    )
    crop = crops[(chance[:, 0] * len(crops)).astype(np.int32)] * (0.75 + 0.5 * chance[:, 1:])
    crop = crop[key]
    furrow = np.sin(across * np.float32(2 * np.pi * 14)) * smoothstep(1.0, 4.0, 0.0036 / slant)
    crop = crop * (1 + 0.16 * furrow)[..., None]
    gap = np.minimum(np.abs(across - strip - 0.5), 9), np.abs(along - parcel - 0.5)
    hedge = smoothstep(0.465, 0.485, np.maximum(gap[0], gap[1] * 0.985))
    crop = _mix(crop, np.multiply(season.forest, 1.2), 0.8 * hedge)
    farmed = smoothstep(0.0, 0.12, noise.fractal(x, z, 0.35, 2, 92) - scene.fields) * flat
    return _mix(colour, crop, farmed)


def _road(scene, colour, hits) -> np.ndarray:
    phase = scene.origin[0]
    middle = 0.07 * np.sin(9 * hits.z + phase) + 0.03 * np.sin(23 * hits.z + 2 * phase)
    off = np.abs(hits.x - middle)
    on_land = smoothstep(0.0, 0.002, hits.up - scene.water) * (1 - smoothstep(0.5, 0.7, hits.z))
    asphalt = np.array((0.16, 0.155, 0.15), np.float32)
    colour = _mix(colour, (0.34, 0.3, 0.24), smoothstep(0.0044, 0.0036, off) * on_land)
    colour = _mix(colour, asphalt, smoothstep(0.0034, 0.003, off) * on_land)
    dashes = smoothstep(0.00035, 0.0002, off) * (np.sin(hits.z * 900) > 0)
    return _mix(colour, (0.6, 0.6, 0.55), dashes * on_land * smoothstep(0.3, 0.2, hits.z))


def water(
    scene: Scene,
    hits: Hits,
    picture: np.ndarray,
    v: np.ndarray,
    first_row: int,
    footprint: np.ndarray,
) -> np.ndarray:
    """Water that mirrors what `picture` shows above the horizon.

    Args:
        scene: the landscape.
        hits: where it is seen, in the rows of the picture from `first_row` on.
        picture: sky and land in the same columns, all rows.
        v: tangents of all rows above the horizontal.
        first_row: first row of `hits`.
        footprint: width of a pixel there.
    """
    noise = scene.noise
    x, z = scene.in_noise(hits.x, hits.z)
    slant = footprint * np.clip(hits.z / scene.eye, 1, 30)

    def fine(wavelength, salt):
        fade = smoothstep(0.4, 2.0, wavelength / slant)
        return noise(x * 0.35, z, wavelength, salt) * fade

    ripple = fine(0.006, 100) + 0.6 * fine(0.0024, 101) + 0.5 * fine(0.0009, 102)
    ripple += 0.45 * fine(0.0004, 104)
    calm = smoothstep(-0.8, 0.8, noise(x * 0.3, z, 0.3, 103))
    down = np.abs(np.broadcast_to(v[first_row:, None], x.shape))
    mirrored = down * (1 + 0.1 * ripple) + 0.006 * calm * ripple
    row = np.clip(np.searchsorted(-v, -mirrored), 0, len(v) - 1)
    reflected = picture[row, np.arange(picture.shape[1])[None]]
    fresnel = np.clip(0.12 + 0.88 * (1 - down) ** 4 - 0.08 * ripple * calm, 0.05, 0.92)
    deep = np.asarray(scene.season.water, np.float32) * (1 + 0.15 * ripple[..., None])
    return _mix(deep, 0.92 * reflected, fresnel)
