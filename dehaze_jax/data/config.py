"""What a training run reads and how it cuts it. No JAX: configs are read before devices start."""

import dataclasses
import math
from typing import Literal

from dehaze_jax.errors import check_fields

_LARGEST = 2**14  # a picture of this side takes 3 GB


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Prepared datasets or folders of pictures, and the batches made of them.

    Raises:
        InputError: a value out of range; names the field.
    """

    train: tuple[str, ...] = ()
    """Prepared directories to train on."""
    weights: tuple[float, ...] = ()
    """Share of each training directory; empty means equal shares."""
    clear: tuple[str, ...] = ()
    """Where the clear pictures come from when hazy and clear ones are unpaired: folders of pictures
    or prepared directories. Then `train` says where the hazy ones come from, in the same way; or it
    is empty, for methods of pairs whose haze is rendered onto clear pictures in every step."""
    clear_weights: tuple[float, ...] = ()
    """Share of each entry of `clear`; empty means equal shares."""
    train_split: str = "train"
    """Split of every prepared directory of `train` and `clear`."""
    validation: tuple[str, ...] = ()
    """Prepared directories scored during training."""
    validation_split: str = "validation"
    """Split of every validation directory."""
    batch_size: int = 8
    """Examples of one step over all processes."""
    crop_size: int = 256
    """Side in pixels of the square pictures of a batch."""
    crop: Literal["scaled", "native", "whole"] = "scaled"
    """What is taken of a picture: `scaled` is a random square of random scale (`crop_scale`),
    resized; `native` a random square of `crop_size` pixels as they are; `whole` is all of it,
    stretched to the square. Resizing averages areas where it shrinks."""
    crop_scale: tuple[float, float] = (0.5, 1.0)
    """Side of a `scaled` square as a share of the shorter image side, drawn uniformly."""
    flips: bool = True
    """Mirror left to right for every second example."""
    rotations: bool = True
    """Turn by a multiple of 90 degrees, drawn uniformly."""
    haze_scale: tuple[float, float] = (1.0, 1.0)
    """Makes the haze of pairs thinner or denser: hazy becomes clear + f (hazy - clear), f drawn
    uniformly from these two numbers, 0 <= low <= high and high above 0; 0 is no haze. That is haze
    of the same airlight that takes f times as much of the light away, as long as any is left."""
    workers: int = 0
    """Loader processes; 0 reads with threads of the training process."""
    max_bad_share: float = 0.01
    """Share of damaged examples that training goes on with: each is logged and counted, and another
    takes its place. 0 ends the run at the first."""

    def __post_init__(self):
        low, high = self.crop_scale
        rules = {
            "batch_size": (self.batch_size >= 1, "must be at least 1"),
            "crop_size": (1 <= self.crop_size <= _LARGEST, f"must lie in [1, {_LARGEST}]"),
            "haze_scale": (
                0 <= self.haze_scale[0] <= self.haze_scale[1] < math.inf and self.haze_scale[1] > 0,
                "must be two numbers, 0 <= low <= high, high above 0",
            ),
            "crop_scale": (0 < low <= high <= 1, "must be two numbers, 0 < low <= high <= 1"),
            "max_bad_share": (0 <= self.max_bad_share < 1, "must lie in [0, 1)"),
            "workers": (self.workers >= 0, "must not be negative"),
        }
        for field, folders in (("weights", "train"), ("clear_weights", "clear")):
            weights = getattr(self, field)
            rules[field] = (
                len(weights) in (0, len(getattr(self, folders))) and all(w > 0 for w in weights),
                f"must be empty, or one positive number for each folder of {folders}",
            )
        if self.clear:
            rules["haze_scale"] = (self.haze_scale == (1, 1), "is for pairs; leave out data.clear")
        check_fields(self, rules)
