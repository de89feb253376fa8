"""Configuration that every method shares. No JAX here: configs are read before devices start."""

import dataclasses
from typing import Literal, TypeAlias

from dehaze_jax.errors import check_fields
from dehaze_jax.methods.bilateral.config import BilateralConfig
from dehaze_jax.methods.dehazeflow.config import DehazeFlowConfig
from dehaze_jax.methods.nedr.config import NedrConfig

MethodConfig: TypeAlias = DehazeFlowConfig | BilateralConfig | NedrConfig
"""Configuration of any method."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """AdamW with warm-up, schedule, clipping and averaging, and how its gradients are computed.

    Raises:
        InputError: a value out of range; names the field.
    """

    learning_rate: float = 2e-4
    """Peak learning rate."""
    warmup_steps: int = 100
    """Steps over which the learning rate rises linearly from zero."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """What the learning rate does after the warm-up."""
    final_fraction: float = 0.005
    """Learning rate at the end of the cosine, as a share of the peak."""
    b1: float = 0.9
    """Decay of Adam's first moment."""
    b2: float = 0.999
    """Decay of Adam's second moment."""
    weight_decay: float = 0.0
    """Decoupled weight decay, on the kernels of networks only."""
    clip_norm: float = 1.0
    """Gradients are scaled down to this global norm; 0 leaves them alone."""
    ema_decay: float = 0.999
    """Decay d of the averaged parameters, warmed up as min(d, (1 + n) / (10 + n)) at step n."""
    accumulate: int = 1
    """Parts of a batch that are worked off one after the other, their gradients added up: the same
    step in less memory. The batch has to divide by it on every device. Not for networks that
    normalise by the batch."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Type that networks compute in while they are trained. Parameters, their averages and moments,
    running statistics, losses, times, look-ups and all work at full size stay float32, and so does
    restoring."""

    def __post_init__(self):
        rules = {
            "learning_rate": (self.learning_rate >= 0, "must not be negative"),
            "warmup_steps": (self.warmup_steps >= 0, "must not be negative"),
            "final_fraction": (0 <= self.final_fraction <= 1, "must lie in [0, 1]"),
            "b1": (0 <= self.b1 < 1, "must lie in [0, 1)"),
            "b2": (0 <= self.b2 < 1, "must lie in [0, 1)"),
            "weight_decay": (self.weight_decay >= 0, "must not be negative"),
            "clip_norm": (self.clip_norm >= 0, "must not be negative"),
            "accumulate": (self.accumulate >= 1, "must be at least 1"),
            "ema_decay": (0 <= self.ema_decay < 1, "must lie in [0, 1)"),
        }
        check_fields(self, rules)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """How a trained model is run. Methods that solve no ODE have no use for the solver."""

    solver: str = "rk4"
    """A fixed-step solver of `flow.SOLVERS`."""
    num_steps: int = 4
    """Equal steps from t = 0 to t = 1."""

    def __str__(self) -> str:
        return f"{self.solver}, {self.num_steps} step{'s' * (self.num_steps != 1)}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HazeOptions:
    """How a trained model puts haze onto clear pictures.

    Raises:
        InputError: a value out of range.
    """

    density: float | None = None
    """Scattering coefficient per unit of the model's depth; None takes the middle of the range that
    it was trained on."""
    airlight: tuple[float, float, float] | None = None
    """Colour of the haze, R G B in [0, 1]; None lets the model choose."""

    def __post_init__(self):
        density, airlight = self.density, self.airlight
        rules = {
            "density": (density is None or 0 <= density < float("inf"), "must not be negative"),
            "airlight": (
                airlight is None or all(0 <= channel <= 1 for channel in airlight),
                "must lie in [0, 1]",
            ),
        }
        check_fields(self, rules)
