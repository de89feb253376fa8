"""What stands in a procedural landscape: everything that a seed decides, independent of pixels."""

import dataclasses

import numpy as np

from dehaze_jax.haze.noise import Noise


@dataclasses.dataclass(frozen=True)
class Light:
    """Light of an hour of the day; colours are linear RGB."""

    sun: tuple[float, float, float]
    ambient: tuple[float, float, float]
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    elevation: float
    """Of the sun, in radians."""


@dataclasses.dataclass(frozen=True)
class Season:
    """Colours of the land, linear RGB."""

    grass: tuple[float, float, float]
    dry: tuple[float, float, float]
    forest: tuple[float, float, float]
    leaves: tuple[float, float, float]
    rock: tuple[float, float, float]
    soil: tuple[float, float, float]
    water: tuple[float, float, float]


LIGHTS = (
    Light((1.25, 1.2, 1.1), (0.36, 0.42, 0.52), (0.08, 0.2, 0.52), (0.5, 0.64, 0.82), 0.95),
    Light((1.3, 1.12, 0.9), (0.3, 0.35, 0.45), (0.1, 0.22, 0.5), (0.68, 0.7, 0.74), 0.55),
    Light((1.5, 0.95, 0.5), (0.26, 0.27, 0.36), (0.12, 0.2, 0.42), (0.9, 0.58, 0.34), 0.24),
    Light((0.42, 0.42, 0.42), (0.56, 0.58, 0.62), (0.36, 0.42, 0.5), (0.66, 0.69, 0.73), 0.8),
    Light((1.1, 0.86, 0.74), (0.3, 0.32, 0.44), (0.16, 0.24, 0.5), (0.8, 0.62, 0.6), 0.34),
)

SEASONS = (
    Season(  # spring
        grass=(0.10, 0.22, 0.03),
        dry=(0.24, 0.25, 0.07),
        forest=(0.030, 0.085, 0.018),
        leaves=(0.07, 0.17, 0.03),
        rock=(0.26, 0.25, 0.24),
        soil=(0.24, 0.16, 0.10),
        water=(0.02, 0.09, 0.11),
    ),
    Season(  # late summer
        grass=(0.13, 0.19, 0.04),
        dry=(0.45, 0.34, 0.12),
        forest=(0.032, 0.065, 0.016),
        leaves=(0.055, 0.11, 0.022),
        rock=(0.32, 0.28, 0.23),
        soil=(0.30, 0.19, 0.11),
        water=(0.03, 0.08, 0.12),
    ),
    Season(  # autumn
        grass=(0.19, 0.18, 0.04),
        dry=(0.36, 0.24, 0.08),
        forest=(0.075, 0.06, 0.016),
        leaves=(0.34, 0.13, 0.02),
        rock=(0.25, 0.24, 0.24),
        soil=(0.20, 0.13, 0.08),
        water=(0.025, 0.06, 0.08),
    ),
    Season(  # arid
        grass=(0.30, 0.25, 0.10),
        dry=(0.50, 0.31, 0.15),
        forest=(0.10, 0.11, 0.04),
        leaves=(0.10, 0.13, 0.045),
        rock=(0.46, 0.24, 0.13),
        soil=(0.44, 0.24, 0.13),
        water=(0.04, 0.13, 0.13),
    ),
)


@dataclasses.dataclass(frozen=True)
class Scene:
    """A landscape. Lengths are in units of the distance of its far edge; the eye is at x = z = 0.

    Slopes are tangents of angles above the horizontal.
    """

    seed: int
    noise: Noise
    light: Light
    season: Season
    eye: float
    """Height above the plain."""
    focal: float
    """Focal length, in picture heights."""
    horizon: float
    """Row of the horizon, as a share of the picture's height from the top."""
    azimuth: float
    """Of the sun, in radians: 0 ahead, positive to the right."""
    origin: tuple[float, float]
    """Where in the noise this scene lies."""
    hills: float
    ranges: tuple[tuple[float, float, float], ...]
    """Mountain ranges: distance, breadth, height."""
    water: float
    """Level of the water; -1 if there is none."""
    snow: float
    """Height above which snow lies."""
    woods: float
    """How much is wooded: threshold on noise of unit variance."""
    fields: float
    """How much is cultivated: threshold on noise of unit variance."""
    road: bool
    cloud_cover: float
    """Threshold on noise of unit variance."""
    town: tuple[float, float, float] | None
    """Centre x, z and radius of a town."""

    @classmethod
    def create(cls, seed: int) -> "Scene":
        """The scene of a seed."""
        rng = np.random.default_rng((seed, 0))
        eye = rng.uniform(0.035, 0.075)
        distances = np.sort(rng.uniform(0.45, 0.95, rng.integers(1, 4)))
        heights = (
            rng.uniform(0.03, 0.13) * (0.3 + distances) * rng.uniform(0.6, 1.1, len(distances))
        )
        season = SEASONS[rng.choice(len(SEASONS), p=[0.36, 0.26, 0.2, 0.18])]
        arid = season is SEASONS[3]
        wet = rng.random() < (0.2 if arid else 0.5)
        has_town = rng.random() < 0.55
        return cls(
            seed=seed,
            noise=Noise.create(rng),
            light=LIGHTS[rng.choice(len(LIGHTS), p=[0.3, 0.24, 0.16, 0.14, 0.16])],
            season=season,
            eye=eye,
            focal=rng.uniform(0.95, 1.45),
            horizon=rng.uniform(0.3, 0.52),
            azimuth=rng.uniform(-2.6, 2.6),
            origin=tuple(rng.uniform(0, 50, 2)),
            hills=eye * rng.uniform(0.12, 0.4),
            ranges=tuple(
                (float(d), float(rng.uniform(0.08, 0.17)), float(h))
                for d, h in zip(distances, heights, strict=True)
            ),
            water=eye * rng.uniform(-0.1, 0.06) if wet else -1.0,
            snow=rng.uniform(1.4, 4.5) * eye if not arid else 9.0,
            woods=rng.uniform(0.6, 1.6) if arid else rng.uniform(-0.5, 0.7),
            fields=rng.uniform(-0.4, 0.9),
            road=bool(rng.random() < 0.5),
            cloud_cover=rng.uniform(-0.3, 1.2),
            town=(rng.uniform(-0.15, 0.15), rng.uniform(0.25, 0.5), rng.uniform(0.08, 0.16))
            if has_town
            else None,
        )

    @property
    def sun(self) -> np.ndarray:
        """Unit vector to the sun, `(x, up, z)`."""
        low = np.cos(self.light.elevation)
        up = np.sin(self.light.elevation)
        return np.array([low * np.sin(self.azimuth), up, low * np.cos(self.azimuth)], np.float32)

    def in_noise(self, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where a place of this scene lies in the noise."""
        shifted = x + self.origin[0], z + self.origin[1]
        return shifted[0].astype(np.float32), shifted[1].astype(np.float32)
