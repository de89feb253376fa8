"""Configuration of NeDR-Dehaze. No JAX here: configs are read before devices start.

The published code and the paper differ (see `variant`); `PUBLISHED` is the network of the paper's
figure at its size, `RELEASED` what the authors' code computes.
"""

import dataclasses
from typing import Literal

from dehaze_jax.errors import check_fields

_WIDTH = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class NedrObjectiveConfig:
    """Weights of the losses and rates of the three optimisers.

    The learning rate of the run is that of the two generators.

    Raises:
        InputError: a value out of range.
    """

    adversarial_weight: float = 0.2
    """Weight of what the two critics say of the pictures made."""
    cycle_weight: float = 1.0
    """Weight of the mean absolute error of both cycles."""
    density_weight: float = 1.0
    """Weight of the squared error of the density that a rendered haze was drawn with."""
    range_weight: float = 0.1
    """Weight of the squared distance of the transmission's logits from its range: without it (0, as
    published) the map may settle at an end of the range for good."""
    critic_rate: float = 0.1
    """Learning rate of the critics, as a share of the run's."""
    depth_rate: float = 1.0
    """Learning rate of the depth network, as a share of the run's."""
    halve_at: int = 0
    """Step from which on the generators learn at half the rate; 0 is never."""

    def __post_init__(self):
        fields = (field.name for field in dataclasses.fields(self))
        rules = {name: (getattr(self, name) >= 0, "must not be negative") for name in fields}
        check_fields(self, rules)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NedrConfig:
    """Networks and losses of NeDR-Dehaze.

    Raises:
        InputError: a value out of range, or values that do not fit each other; names the field.
    """

    name: Literal["nedr"] = "nedr"
    """Says which method this is."""
    size: Literal["slim", "published"] = "slim"
    """`published`: EfficientNet-lite3 encoders and all widths of the authors; `slim`: small enough
    for a CPU."""
    variant: Literal["paper", "released", "d4"] = "paper"
    """`paper`: the implicit function sees coordinates, stands beside what it read, and the residual
    enhancement is trained. `released`: its coordinates cancel, it stands alone, and the enhancement
    has new random weights at every training step; restoring leaves it out, as its mean is zero.
    `d4`: no mixing of channels, implicit function or enhancement: the networks of Yang et al.
    (CVPR 2022) that NeDR stands on."""
    coordinates: bool = True
    """Whether the implicit function sees where it is; `paper` only."""
    width: int = _WIDTH
    """Channels of the first level; `slim` only."""
    outside: Literal["zero", "clamp", "extend"] = "zero"
    """What the splines do with inputs beyond their knots, see `networks.KANLinear`."""
    airlight: Literal["dark_channel", "maximum"] = "dark_channel"
    """Colour of the haze: the largest values among pixels whose dark channel is brightest, at most
    220/255; or the largest value of each channel, as published for SOTS indoor."""
    density: tuple[float, float] = (0.6, 1.8)
    """Range of the scattering coefficient: of what is drawn, and of what is estimated."""
    depth: tuple[float, float] = (0.2, 5.0)
    """Range of the depth."""
    transmission: tuple[float, float] = (0.05, 0.95)
    """Range of the transmission; its lower end bounds how much a picture is amplified."""
    proxy_size: int = 256
    """Longer side of the copy that the networks read when they restore; a multiple of 32."""
    refinement: Literal["colour", "channels", "bilinear"] = "colour"
    """How the transmission of the copy is brought up: by a guided filter that looks at the colour,
    or as published at each channel on its own, averaged; or bilinearly, with its edges smooth."""
    radius: int = 16
    """Of the guided filter's windows, in pixels of the copy."""
    epsilon: float = 1e-3
    """Variance of the guide below which a window counts as flat."""
    objective: NedrObjectiveConfig = NedrObjectiveConfig()
    """What the networks are trained on."""

    def __post_init__(self):
        def rising(pair: tuple[float, float], high: float) -> bool:
            return 0 < pair[0] < pair[1] < high

        rules = {
            "coordinates": (
                self.coordinates or self.variant == "paper",
                f"has no meaning for variant {self.variant!r}, which never sees them",
            ),
            "width": (self.width >= 4 and self.width % 2 == 0, "must be even and at least 4"),
            "size": (
                self.size == "slim" or self.width == _WIDTH,
                f"has widths of its own: width must stay {_WIDTH}",
            ),
            "outside": (
                self.outside == "zero" or self.variant != "d4",
                "has no meaning for variant 'd4', which has no splines",
            ),
            "density": (rising(self.density, float("inf")), "must rise from above 0"),
            "depth": (rising(self.depth, float("inf")), "must rise from above 0"),
            "transmission": (rising(self.transmission, 1.0), "must rise inside (0, 1)"),
            "proxy_size": (
                self.proxy_size >= 32 and self.proxy_size % 32 == 0,
                "must be a multiple of 32",
            ),
            "radius": (self.radius >= 1, "must be at least 1"),
            "epsilon": (self.epsilon > 0, "must be positive"),
        }
        check_fields(self, rules)


PUBLISHED = NedrConfig(
    size="published",
    proxy_size=640,
    refinement="channels",
    radius=40,
    objective=NedrObjectiveConfig(range_weight=0.0),
)
"""The network of the paper at its published size, and the losses of the authors."""

RELEASED = dataclasses.replace(PUBLISHED, variant="released")
"""What the authors' code computes, but that haze is rendered with a depth found on the copy, not
on 256 x 256 pixels."""

D4 = dataclasses.replace(PUBLISHED, variant="d4")
"""The networks of D4 at their published size."""
