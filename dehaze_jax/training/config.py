"""Configuration of a training run. No JAX here: configs are read before devices start."""

import dataclasses
from typing import Literal

from dehaze_jax.data.config import DataConfig
from dehaze_jax.errors import check_fields
from dehaze_jax.haze.config import HazeConfig
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
    "not_finite",
    "profile_steps",
    "mesh",
    "method.objective.remat",
    "optimiser.accumulate",
    "data.workers",
    "data.max_bad_share",
)
"""Fields that a resumed run may have otherwise than it began with."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """How devices share the work of one step."""

    data: int = -1
    """Devices along the batch; -1 takes all that `space` leaves."""
    space: int = 1
    """Devices along the rows of every picture."""
    fsdp: int = 0
    """Arrays of at least so many values, parameters, averages and moments of the optimiser, are
    divided over the devices of `data`; 0 keeps all of them whole on every device."""

    def __post_init__(self):
        rules = {
            "fsdp": (self.fsdp >= 0, "must not be negative"),
            "data": (self.data == -1 or self.data >= 1, "must be -1 or positive"),
            "space": (self.space >= 1, "must be positive"),
        }
        check_fields(self, rules)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostsConfig:
    """The processes of one run, on one machine or several.

    Raises:
        InputError: values that do not fit each other; names the field.
    """

    coordinator: str | None = None
    """`host:port` of process 0, the same for all; or `auto` where a launcher that JAX knows starts
    them (SLURM, Open MPI, GKE, TPU). None: this process is alone."""
    processes: int | None = None
    """How many there are; with `host:port`."""
    process: int | None = None
    """Which of them this is, from 0; with `host:port`."""
    patience: int = 300
    """Seconds to wait for the others at the start, and after which a silent one counts as dead."""

    def __post_init__(self):
        named = self.coordinator not in (None, "auto")
        host, _, port = (self.coordinator or "").rpartition(":")
        rules = {
            "coordinator": (
                not named or (bool(host) and port.isdecimal()),
                "must be host:port or auto",
            ),
            "patience": (self.patience >= 1, "must be positive"),
        }
        for name in ("processes", "process"):
            given = getattr(self, name) is not None
            rule = "is needed with a coordinator host:port" if named else "goes with host:port only"
            rules[name] = (given == named, rule)
        check_fields(self, rules)
        if self.processes is not None and self.process is not None:
            inside = 0 <= self.process < self.processes
            rule = f"must be from 0 to below the {self.processes} processes"
            check_fields(self, {"process": (inside, rule)})


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
    haze: HazeConfig | None = None
    """Haze that is rendered onto the clear pictures in every step; None renders none. With share 1,
    `data.clear` may name clear pictures alone, and `data.train` nothing."""
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
    not_finite: Literal["stop", "skip"] = "stop"
    """What a step does whose loss or gradient is not finite: end the run, or change nothing; ten
    such steps in a row end it all the same."""
    profile_steps: tuple[int, int] | None = None
    """First and last step that JAX's profiler records, into `profile/` of the run directory."""

    def __post_init__(self):
        positive = ("steps", "log_every", "save_every", "evaluate_every", "keep_checkpoints")
        rules = {name: (getattr(self, name) >= 1, "must be positive") for name in positive}
        rules["seed"] = (self.seed >= 0, "must not be negative")
        rules["validation_pictures"] = (self.validation_pictures >= 0, "must not be negative")
        if self.profile_steps is not None:
            first, last = self.profile_steps
            rules["profile_steps"] = (1 <= first <= last, "must rise from 1")
        if self.haze is not None and self.haze.share == 1:
            scaled = self.data.haze_scale != (1, 1)
            rules["haze"] = (not scaled, "renders onto all pictures; leave out data.haze_scale")
        stop = self.stop_after
        rules["stop_after"] = (stop is None or stop >= 1, "must be positive")
        check_fields(self, rules)
