"""Configuration of multi-guided bilateral learning. No JAX: configs are read before devices start.

The paper fixes affine models in a bilateral grid from a small copy of the picture, three guides,
one for each colour, and a fusion of what they slice. `RELEASED` is what its authors published.
"""

import dataclasses
from typing import Literal

from dehaze_jax.errors import check_fields


@dataclasses.dataclass(frozen=True, kw_only=True)
class BilateralObjectiveConfig:
    """What the networks are trained on: the mean absolute error, and more.

    Raises:
        InputError: a value out of range.
    """

    ssim_weight: float = 0.2
    """Weight of (1 - SSIM) beside the mean absolute error; 0 as published."""

    def __post_init__(self):
        check_fields(self, {"ssim_weight": (self.ssim_weight >= 0, "must not be negative")})


@dataclasses.dataclass(frozen=True, kw_only=True)
class BilateralConfig:
    """Networks and loss of multi-guided bilateral learning.

    Raises:
        InputError: a value out of range, or values that do not fit each other; names the field.
    """

    name: Literal["bilateral"] = "bilateral"
    """Says which method this is."""
    size: Literal["slim", "released"] = "slim"
    """`released`: two U-Nets, features of a network, fusion by convolutions at full size. `slim`:
    one small backbone; the models are applied to the picture itself, and what the guides slice is
    mixed by weights of the place."""
    grid_layout: Literal["spatial", "released"] = "spatial"
    """Whether the rows and columns of the grid are places of the picture, or the scrambled axes of
    the published network (only with size `released`)."""
    coefficients: Literal["signed", "positive"] = "signed"
    """Range of the affine models: free, or (0, 1) by a sigmoid as published. Free ones of the slim
    network start as the identity."""
    guides: Literal["curves", "convolutions"] = "curves"
    """A curve for each pixel's colours, or as published a small convolutional network for each
    colour plane, the larger part of the work at full size."""
    proxy_size: int = 128
    """The grid is predicted from the picture at this size, square."""
    feature_size: int = 320
    """Size of the copy that features come from; `released` only."""
    grid_size: int = 16
    """Rows and columns of the grid."""
    grid_depth: int = 8
    """Values of the guide in the grid."""
    backbone: str = "unet"
    """A name in `networks.BACKBONES`, or a module of yours as "module:Name"; `slim` only."""
    width: int = 32
    """Channels of the backbone, or of the first level of the released U-Nets."""
    objective: BilateralObjectiveConfig = BilateralObjectiveConfig()
    """What the networks are trained on."""

    def __post_init__(self):
        positive = ("proxy_size", "feature_size", "grid_size", "grid_depth", "width")
        rules = {field: (getattr(self, field) >= 1, "must be at least 1") for field in positive}
        if self.size == "released":
            # The U-Nets halve four times; of no pixels, running statistics are not a number.
            least = {field: getattr(self, field) >= 16 for field in ("proxy_size", "feature_size")}
            rules |= {field: (fits, "must be at least 16") for field, fits in least.items()}
        check_fields(self, rules)
        if self.size == "slim":
            fits = self.proxy_size % 4 == 0 and (self.proxy_size // 4) % self.grid_size == 0
            rules = {
                "grid_size": (
                    fits,
                    f"does not divide a quarter of proxy_size {self.proxy_size}",
                ),
                "grid_layout": (self.grid_layout == "spatial", "is of size 'released' only"),
            }
        elif self.grid_layout == "released":
            fits = self.proxy_size % self.grid_size**2 == 0
            rules = {
                "grid_size": (fits, f"squared does not divide proxy_size {self.proxy_size}"),
                "grid_depth": (
                    self.proxy_size % (4 * self.grid_depth) == 0,
                    f"times 4 does not divide proxy_size {self.proxy_size}",
                ),
            }
        else:
            fits = self.proxy_size % self.grid_size == 0
            rules = {"grid_size": (fits, f"does not divide proxy_size {self.proxy_size}")}
        check_fields(self, rules)


RELEASED = BilateralConfig(
    size="released",
    grid_layout="released",
    coefficients="positive",
    guides="convolutions",
    proxy_size=256,
    grid_depth=16,
    width=64,
    objective=BilateralObjectiveConfig(ssim_weight=0.0),
)
"""The published network."""
