"""What the study trains."""

import dataclasses
from typing import Any

from configs.bilateral import get_config
from studies.landscapes import Landscapes

from dehaze_jax import metrics, training

PROTOCOL = dataclasses.replace(metrics.PROTOCOLS["rgb-full"], scores=("psnr", "ssim"))
"""What trainings are scored under."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Everything that the results depend on but for `configs/bilateral.py`."""

    budget_steps: int = 160
    """Steps of the released network, and of the slim one beside it."""
    long_steps: int = 4_000
    """Steps of a longer training of the slim network, in less time than the released one."""
    budget_batch: int = 2
    """Batch of these trainings."""
    budget_pictures: int = 24
    """Validation pictures that these are scored on."""
    points: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    """Shares of a training after which it is scored."""
    loss_steps: int = 400
    """Steps of each training that compares losses."""
    loss_batch: int = 4
    """Batch of these trainings."""
    loss_pictures: int = 24
    """Validation pictures that these are scored on."""
    ssim_weights: tuple[float, ...] = (0.0, 0.2, 0.5)
    """Weights of SSIM in the loss; 0 is the mean absolute error alone."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of initial values and data order, for each loss."""
    crop_size: int = 128
    """Side of the pictures that are trained on."""
    landscapes: Landscapes | None = None
    """Rendered pictures in place of the sets of the configuration."""
    method: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of both networks that differ from the configuration."""
    slim: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of the slim network that differ."""


VARIANTS = {
    "full": StudyConfig(),
    # A little of everything; its figures mean nothing.
    "smoke": StudyConfig(
        budget_steps=2,
        long_steps=4,
        budget_batch=2,
        budget_pictures=1,
        points=(0.5, 1.0),
        loss_steps=2,
        loss_batch=2,
        loss_pictures=2,
        ssim_weights=(0.0, 0.2),
        seeds=(0, 1),
        crop_size=16,
        landscapes=Landscapes(height=24, width=32, scenes=3, hazes=2),
        method={"proxy_size": 16, "feature_size": 16, "grid_size": 4, "grid_depth": 4, "width": 4},
        slim={"backbone": "studies.pointwise:Pointwise"},
    ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One training.

    Attributes:
        part: `budget` or `loss`.
        name: what is varied; equal for cases that differ in their seed alone.
        train: of the training.
        points: steps after which it is scored.
    """

    part: str
    name: str
    train: training.TrainConfig
    points: tuple[int, ...]

    @property
    def file(self) -> str:
        """Name of the file of its result."""
        name = "".join(c if c.isalnum() else "-" for c in self.name)
        return f"{self.part}-{name}-{self.train.seed}.json"


def cases(config: StudyConfig, sets: tuple[str, ...] = ()) -> list[Case]:
    """All trainings in order; `sets` replaces the data of the configuration."""

    def case(part, name, network, steps, batch, pictures, seed, points, **objective):
        base = get_config(network)
        method = dataclasses.replace(
            base.method, **config.method, **(config.slim if network == "base" else {})
        )
        if objective:
            method = dataclasses.replace(
                method, objective=dataclasses.replace(method.objective, **objective)
            )
        own = {"train": sets, "weights": (), "validation": sets} if sets else {}
        train = dataclasses.replace(
            base,
            method=method,
            data=dataclasses.replace(
                base.data, batch_size=batch, crop_size=config.crop_size, **own
            ),
            # The recipe's decay of the average is for 4000 steps; its warm-up keeps it below.
            optimiser=dataclasses.replace(base.optimiser, warmup_steps=max(steps // 10, 1)),
            steps=steps,
            validation_pictures=pictures,
            seed=seed,
        )
        scored = tuple(sorted({max(round(share * steps), 1) for share in points}))
        return Case(part=part, name=name, train=train, points=scored)

    budget = (config.budget_batch, config.budget_pictures, 0, config.points)
    loss = (config.loss_steps, config.loss_batch, config.loss_pictures)
    return [
        case("budget", "slim", "base", config.budget_steps, *budget),
        case("budget", "released", "released", config.budget_steps, *budget),
        case("budget", "slim, longer", "base", config.long_steps, *budget),
        *(
            case("loss", f"{weight:g}", "base", *loss, seed, (1.0,), ssim_weight=weight)
            for seed in config.seeds
            for weight in config.ssim_weights
        ),
    ]
