"""What the LUT ablation varies."""

import dataclasses
from typing import Any

from studies.landscapes import Landscapes

from dehaze_jax import data, methods, training

DEFAULT = "default"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that differs from the default.

    Attributes:
        name: for tables.
        group: what is varied.
        method: fields of `DehazeFlowConfig` that differ.
        objective: fields of `ObjectiveConfig` that differ.
    """

    name: str
    group: str
    method: dict[str, Any] = dataclasses.field(default_factory=dict)
    objective: dict[str, Any] = dataclasses.field(default_factory=dict)


_NO_PENALTY = {"lut_smoothness": 0.0, "lut_monotonicity": 0.0}
_STRONG_PENALTY = {"lut_smoothness": 1e-1, "lut_monotonicity": 10.0}

CHANGES = (
    Change(name=DEFAULT, group=DEFAULT),
    Change(name="9 nodes", group="size", method={"lut_size": 9}),
    Change(name="33 nodes", group="size", method={"lut_size": 33}),
    Change(name="tetrahedral", group="interpolation", method={"lut_interpolation": "tetrahedral"}),
    Change(name="no penalties", group="penalties", objective=_NO_PENALTY),
    Change(name="penalties x 1000", group="penalties", objective=_STRONG_PENALTY),
    Change(name="composed", group="place", method={"lut_mode": "composed"}),
    Change(name="concatenated", group="place", method={"lut_mode": "concat"}),
    Change(name="no LUT", group="place", method={"lut_mode": "none"}),
)
"""The default is 17 nodes, trilinear, penalties 1e-4 and 1e-2, and a LUT whose displacement is
added to the purifier's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Everything that the results depend on but for `CHANGES`."""

    changes: tuple[str, ...] = tuple(change.name for change in CHANGES)
    """Names in `CHANGES`; the default is always among them."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of initial values, data order and everything drawn; each change is trained once for each."""
    landscapes: Landscapes = dataclasses.field(default_factory=Landscapes)
    """What is trained and scored on."""
    train_steps: int = 150
    """Of each training."""
    backbone: str = "unet"
    """Backbone of the purifier."""
    width: int = 16
    """Channels of the backbone."""
    proxy_size: int = 64
    """Side of the proxy."""
    crop_size: int = 96
    """Side of the pictures that are trained on."""

    def train_config(
        self, change: Change, seed: int, prepared: str, workdir: str
    ) -> training.TrainConfig:
        """Flow matching on the linear path, with one thing changed."""
        return training.TrainConfig(
            method=methods.DehazeFlowConfig(
                backbone=self.backbone,
                width=self.width,
                proxy_size=self.proxy_size,
                grid_size=8,
                objective=methods.ObjectiveConfig(kind="matching", **change.objective),
                **change.method,
            ),
            data=data.DataConfig(train=(prepared,), crop_size=self.crop_size, rotations=False),
            optimiser=methods.OptimiserConfig(learning_rate=2e-3, warmup_steps=20, ema_decay=0.98),
            workdir=workdir,
            steps=self.train_steps,
            seed=seed,
            log_every=max(self.train_steps // 4, 1),
            save_every=self.train_steps,
            keep_checkpoints=1,
        )


VARIANTS = {
    "full": StudyConfig(),
    # A little of everything; its figures mean nothing.
    "smoke": StudyConfig(
        changes=(DEFAULT, "no LUT"),
        seeds=(0, 1),
        landscapes=Landscapes(height=24, width=32, scenes=3, hazes=1),
        train_steps=2,
        backbone="studies.pointwise:Pointwise",
        width=8,
        proxy_size=32,
        crop_size=16,
    ),
}
