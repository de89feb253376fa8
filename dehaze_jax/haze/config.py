"""What haze on the fly is drawn from. No JAX here: configs are read before devices start.

Every part but the haze itself has a probability; at 0 it is left out, and costs nothing. Ranges are
drawn from uniformly unless said. Where no source is named, the range is a choice of ours.
"""

import dataclasses
from typing import Literal

from dehaze_jax.errors import check_fields

_PROBABILITY = "must lie in [0, 1]"


def _is_range(values: tuple[float | int, float | int], low: float | int, high: float | int) -> bool:
    return low <= values[0] <= values[1] <= high


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchConfig:
    """Haze that is denser here than there: fractal noise."""

    probability: float = 0.5
    """Share of the examples whose haze is patchy."""
    strength: tuple[float, float] = (0.2, 0.8)
    """Standard deviation of the logarithm of the density, as in the dataset `rendered_haze`."""

    def __post_init__(self):
        rules = {
            "probability": (0 <= self.probability <= 1, _PROBABILITY),
            "strength": (_is_range(self.strength, 0, 5), "must be a range in [0, 5]"),
        }
        check_fields(self, rules)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FalloffConfig:
    """Haze that thins exponentially with altitude."""

    probability: float = 0.5
    """Share of the examples whose haze thins."""
    height: tuple[float, float] = (0.1, 1.0)
    """Altitude at which the density is 1/e, as a share of the farthest distance."""

    def __post_init__(self):
        rules = {
            "probability": (0 <= self.probability <= 1, _PROBABILITY),
            "height": (_is_range(self.height, 0.01, 1e6), "must be a range from 0.01 up"),
        }
        check_fields(self, rules)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientConfig:
    """Airlight that is brighter on one side of the picture, towards the sun."""

    probability: float = 0.5
    """Share of the examples with such airlight."""
    strength: tuple[float, float] = (0.05, 0.3)
    """Change across the picture, as a share of the airlight; its direction is any."""

    def __post_init__(self):
        rules = {
            "probability": (0 <= self.probability <= 1, _PROBABILITY),
            "strength": (_is_range(self.strength, 0, 1), "must be a range in [0, 1]"),
        }
        check_fields(self, rules)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NightConfig:
    """A dim scene with lamps, around which haze glows.

    The clear picture is dimmed and gets the lamps as well, so that it stays the partner of the hazy
    one: what is to be removed is the haze, not the night.
    """

    probability: float = 0.0
    """Share of the examples that are turned into night."""
    exposure: tuple[float, float] = (0.15, 0.4)
    """Brightness of scene and airlight as a share of the given picture's; (1, 1) for pictures that
    were taken at night."""
    lamps: int = 4
    """Lamps of every night; their places and colours are drawn."""
    brightness: tuple[float, float] = (0.2, 0.9)
    """Of the glow at a lamp in thick haze; 1 is white."""
    width: tuple[float, float] = (0.02, 0.12)
    """Distance from a lamp at which its glow is 1/e, as a share of the longer side."""
    shape: tuple[float, float] = (0.5, 1.2)
    """Exponent of the glow: exp(-(r / width)^shape). Small is thin haze: a peak with long tails."""

    def __post_init__(self):
        rules = {
            "probability": (0 <= self.probability <= 1, _PROBABILITY),
            "exposure": (_is_range(self.exposure, 0, 1), "must be a range in [0, 1]"),
            "lamps": (1 <= self.lamps <= 64, "must lie in [1, 64]"),
            "brightness": (_is_range(self.brightness, 0, 10), "must be a range in [0, 10]"),
            "width": (_is_range(self.width, 1e-3, 10), "must be a range in [0.001, 10]"),
            "shape": (_is_range(self.shape, 0.1, 4), "must be a range in [0.1, 4]"),
        }
        check_fields(self, rules)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GammaConfig:
    """A scene in poor light under the haze, which the clear picture is not."""

    probability: float = 0.0
    """Share of the examples in poor light; 0.5 in RIDCP."""
    exponent: tuple[float, float] = (1.5, 3.0)
    """The scene's values are raised to this power; the range is that of RIDCP, equation 3."""

    def __post_init__(self):
        rules = {
            "probability": (0 <= self.probability <= 1, _PROBABILITY),
            "exponent": (_is_range(self.exponent, 0.1, 10), "must be a range in [0.1, 10]"),
        }
        check_fields(self, rules)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoiseConfig:
    """Shot and read noise of a camera, in linear light.

    Reference:
        Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, section 3.1.
    """

    probability: float = 0.5
    """Share of the noisy examples."""
    shot: tuple[float, float] = (1e-4, 0.012)
    """Variance of the shot noise at white, drawn uniformly in its logarithm; Brooks et al. The
    variance of the read noise follows from it as they measured it, with their scatter."""

    def __post_init__(self):
        rules = {
            "probability": (0 <= self.probability <= 1, _PROBABILITY),
            "shot": (_is_range(self.shot, 1e-9, 1), "must be a range in [1e-9, 1]"),
        }
        check_fields(self, rules)


@dataclasses.dataclass(frozen=True, kw_only=True)
class JpegConfig:
    """Blocks of quantised cosine coefficients, as JPEG leaves them."""

    probability: float = 0.5
    """Share of the compressed examples; 0.5 in RIDCP."""
    quality: tuple[int, int] = (30, 95)
    """Quality on the scale of libjpeg, every whole number alike; the range is that of RIDCP."""

    def __post_init__(self):
        rules = {
            "probability": (0 <= self.probability <= 1, _PROBABILITY),
            "quality": (_is_range(self.quality, 1, 100), "must be a range in [1, 100]"),
        }
        check_fields(self, rules)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HazeConfig:
    """Haze that is rendered onto the clear pictures of a batch, drawn anew in every step.

    Beta and airlight are by default those of RESIDE's indoor training set; `haze.PRESETS` has the
    ranges of the published sets.

    Raises:
        InputError: a value out of range; names the field.
    """

    share: float = 1.0
    """Probability that the hazy picture of an example is replaced by its clear one with rendered
    haze. With 1 no hazy pictures are needed."""
    draw: Literal["uniform", "grid"] = "uniform"
    """Beta and airlight: uniform between two numbers, or one of the numbers given."""
    beta: tuple[float, ...] = (0.6, 1.8)
    """Scattering coefficient per unit of depth."""
    airlight: tuple[float, ...] = (0.7, 1.0)
    """Brightness of the airlight."""
    tint: float = 0.025
    """Red, green and blue of the airlight differ from its brightness by up to this, as in RIDCP."""
    farthest: float = 1.0
    """Depth of the farthest point of a picture, of made-up depth and of depth in unit "farthest".
    The indoor sets divide depth by its largest value."""
    depth_unit: Literal["farthest", "own"] = "farthest"
    """Depth of the data: scaled so that the farthest point of the cut is at `farthest`, or in its
    own unit, to which beta must fit."""
    patches: PatchConfig = PatchConfig()
    """Density that varies from place to place."""
    falloff: FalloffConfig = FalloffConfig()
    """Density that falls with altitude."""
    gradient: GradientConfig = GradientConfig()
    """Airlight that varies over the picture."""
    night: NightConfig = NightConfig()
    """Dim scenes with glowing lamps."""
    gamma: GammaConfig = GammaConfig()
    """Scenes in poor light."""
    noise: NoiseConfig = NoiseConfig()
    """Noise of the camera."""
    jpeg: JpegConfig = JpegConfig()
    """Compression."""

    def __post_init__(self):
        rules = {
            "share": (0 < self.share <= 1, "must lie in (0, 1]"),
            "tint": (0 <= self.tint <= 1, "must lie in [0, 1]"),
            "farthest": (0 < self.farthest < float("inf"), "must be positive"),
        }
        for field, high, rule in (("beta", 1e6, "from 0 up"), ("airlight", 1.0, "in [0, 1]")):
            values = getattr(self, field)
            inside = bool(values) and all(0 <= value <= high for value in values)
            if self.draw == "uniform":
                holds = inside and len(values) == 2 and values[0] <= values[1]
                rules[field] = (holds, f"must be two numbers {rule}, low and high")
            else:
                rules[field] = (inside, f"must be numbers {rule}")
        check_fields(self, rules)
