"""What the solver study solves, and how finely."""

import dataclasses
from typing import Literal

from studies.landscapes import Landscapes

from dehaze_jax import data, flow, methods, training


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Everything that the results depend on."""

    solvers: tuple[str, ...] = tuple(flow.SOLVERS)
    """Names in `flow.SOLVERS`."""
    steps: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """Numbers of equal steps, each twice the one before; every solver takes all of them."""
    tolerances: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
    """rtol and atol, which are equal, of the solvers that estimate their error."""
    max_steps: int = 512
    """With tolerances, a solve gives up after so many steps."""
    reference_steps: int = 64
    """Steps of dopri8 that make the reference of trained fields."""
    check_steps: int = 128
    """Steps of rk4 that check the reference."""
    repeats: int = 2
    """Warm runs whose median time is taken."""
    repeat_seconds: float = 0.2
    """No further repeat once they have taken so long."""
    analytic_size: tuple[int, int] = (16, 24)
    """Rows and columns of the state of analytic fields."""
    landscapes: Landscapes = dataclasses.field(default_factory=Landscapes)
    """What is trained and scored on."""
    pictures: int = 2
    """Pictures of the test split, solved for as one batch."""
    paths: tuple[Literal["linear", "scattering"], ...] = ("linear", "scattering")
    """Paths that a field is trained on here."""
    train_steps: int = 1200
    """Of each of these fields."""
    backbone: str = "unet"
    """Backbone of its purifier."""
    width: int = 24
    """Channels of the backbone."""
    proxy_size: int = 64
    """Side of its proxy."""
    crop_size: int = 96
    """Side of the pictures that it is trained on."""
    shipped: bool = True
    """Also solve with the weights that ship."""
    strip_steps: tuple[int, ...] = (1, 2, 4, 8)
    """Numbers of steps shown in the strips of pictures."""
    seed: int = 0
    """Of training."""

    def train_config(
        self, path: Literal["linear", "scattering"], prepared: str, workdir: str
    ) -> training.TrainConfig:
        """Flow matching on one path; both paths have the same budget and seed."""
        return training.TrainConfig(
            method=methods.DehazeFlowConfig(
                backbone=self.backbone,
                width=self.width,
                proxy_size=self.proxy_size,
                grid_size=8,
                objective=methods.ObjectiveConfig(kind="matching", path=path),
            ),
            data=data.DataConfig(train=(prepared,), crop_size=self.crop_size, rotations=False),
            optimiser=methods.OptimiserConfig(learning_rate=2e-3, warmup_steps=20, ema_decay=0.995),
            workdir=workdir,
            steps=self.train_steps,
            seed=self.seed,
            log_every=max(self.train_steps // 10, 1),
            save_every=max(self.train_steps // 5, 1),
            keep_checkpoints=1,
        )


VARIANTS = {
    "full": StudyConfig(),
    # Four solvers on the same fields.
    "quick": StudyConfig(
        solvers=("euler", "heun", "rk4", "dopri5"),
        tolerances=(1e-1, 1e-2, 1e-3),
        max_steps=64,
        reference_steps=32,
        check_steps=64,
        repeats=1,
        pictures=1,
    ),
    # A little of everything; its figures mean nothing.
    "smoke": StudyConfig(
        solvers=("rk4", "bosh3"),
        steps=(4, 8),
        tolerances=(1e-2,),
        reference_steps=8,
        check_steps=8,
        repeats=1,
        repeat_seconds=0.1,
        analytic_size=(4, 6),
        landscapes=Landscapes(height=24, width=32, scenes=3, hazes=1),
        pictures=1,
        paths=("scattering",),
        train_steps=2,
        backbone="studies.pointwise:Pointwise",
        width=8,
        proxy_size=32,
        crop_size=16,
        shipped=False,
        strip_steps=(4, 8),
    ),
}
