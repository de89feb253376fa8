"""Configuration of a training run. No JAX here: configs are read before devices start."""

import dataclasses

from dehaze_jax.data.config import DataConfig
from dehaze_jax.errors import InputError
from dehaze_jax.methods import DehazeFlowConfig
from dehaze_jax.methods.config import MethodConfig, OptimiserConfig

MAY_CHANGE = (
    "steps",
    "stop_after",
    "workdir",
    "log_every",
    "save_every",
    "evaluate_every",
    "keep_checkpoints",
    "validation_pictures",
    "mesh",
    "data.workers",
)
"""Fields that a resumed run may have otherwise than it began with."""


def _require(holds: bool, field: str, value: object, rule: str) -> None:
    if not holds:
        raise InputError(f"TrainConfig.{field}", f"{value!r} {rule}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """How devices share the work of one step."""

    data: int = -1
    """Devices along the batch; -1 takes all that `space` leaves."""
    space: int = 1
    """Devices along the rows of every picture."""

    def __post_init__(self):
        _require(
            self.data == -1 or self.data >= 1, "mesh.data", self.data, "must be -1 or positive"
        )
        _require(self.space >= 1, "mesh.space", self.space, "must be positive")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that a training run depends on.

    Raises:
        InputError: a value out of range; names the field.
    """

    method: MethodConfig = dataclasses.field(default_factory=DehazeFlowConfig)
    """What is trained."""
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    """What it is trained on."""
    optimiser: OptimiserConfig = dataclasses.field(default_factory=OptimiserConfig)
    """How it is trained."""
    workdir: str = "run"
    """Run directory. A run that is in it is gone on with."""
    steps: int = 10_000
    """Steps of the whole run; the schedule ends here."""
    stop_after: int | None = None
    """Stop at this step with a checkpoint, as if interrupted; the same run goes on later."""
    seed: int = 0
    """Of initial values, data order, augmentation and everything drawn in a step."""
    init_from: str | None = None
    """Weights to start from: a released name, a weights folder or a run directory."""
    mesh: MeshConfig = MeshConfig()
    """How devices share the work."""
    log_every: int = 50
    """Steps between lines of metrics."""
    save_every: int = 1000
    """Steps between checkpoints."""
    evaluate_every: int = 1000
    """Steps between scores and pictures of validation examples."""
    validation_pictures: int = 8
    """Examples of the validation split that are restored, spread evenly over it."""
    keep_checkpoints: int = 3
    """Newest checkpoints that are kept."""

    def __post_init__(self):
        for name in ("steps", "log_every", "save_every", "evaluate_every", "keep_checkpoints"):
            value = getattr(self, name)
            _require(value >= 1, name, value, "must be positive")
        _require(self.seed >= 0, "seed", self.seed, "must not be negative")
        _require(
            self.validation_pictures >= 0,
            "validation_pictures",
            self.validation_pictures,
            "must not be negative",
        )
        _require(
            self.stop_after is None or self.stop_after >= 1,
            "stop_after",
            self.stop_after,
            "must be positive",
        )
