"""Recipes that the study trains, and how each is restored with."""

import dataclasses
from typing import Any, NamedTuple

from studies.landscapes import Landscapes

from dehaze_jax import data, methods, training
from dehaze_jax.errors import InputError, check_fields


class Way(NamedTuple):
    """How a trained field is solved.

    Attributes:
        solver: name of a solver.
        steps: its steps.
    """

    solver: str
    steps: int

    def __str__(self) -> str:
        return f"{self.solver} x {self.steps}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way of training, and of restoring with what came of it.

    Attributes:
        name: for tables.
        group: what it belongs to.
        own: the solve that the recipe is meant for; what it is judged by.
        evaluations: of the field in a training step; they are nearly all of its cost.
        longer: training steps as a multiple of those of the others.
        other_seed: added to the seed of the others.
        method: fields of `DehazeFlowConfig` that differ.
        objective: fields of `ObjectiveConfig` that differ.
    """

    name: str
    group: str
    own: Way
    evaluations: int
    longer: int = 1
    other_seed: int = 0
    method: dict[str, Any] = dataclasses.field(default_factory=dict)
    objective: dict[str, Any] = dataclasses.field(default_factory=dict)


ONE_STEP = "one step"
AGAIN = "one step, other seeds"
LONGER = "one step, longer"
MATCHING = "matching"
SOLVER = "RK4"
BOTH = "RK4 + matching"


_WIDTH = 24


def _rollout(solver: str, steps: int, **objective: Any) -> dict[str, Any]:
    rollout = {"kind": "rollout", "rollout_solver": solver, "rollout_steps": steps}
    return {**rollout, **objective}


def _recipes() -> tuple[Recipe, ...]:
    one, four = Way("euler", 1), Way("rk4", 4)
    rk4 = Way("rk4", 1)

    def single(name: str, **fields: Any) -> Recipe:
        fields = {"group": "one step", "objective": _rollout("euler", 1), **fields}
        return Recipe(name=name, own=one, evaluations=1, **fields)

    def matching(name: str, method: dict[str, Any] | None = None, **objective: Any) -> Recipe:
        # The solver of a rollout has no effect on matching, but results name it.
        objective = {**_rollout("euler", 4), "kind": "matching", **objective}
        return Recipe(
            name=name,
            group="matching",
            own=four,
            evaluations=1,
            method=method or {},
            objective=objective,
        )

    def solved(name: str, own: Way = rk4, evaluations: int = 4, **fields: Any) -> Recipe:
        fields = {"group": "solver", "objective": _rollout(*own), **fields}
        return Recipe(name=name, own=own, evaluations=evaluations, **fields)

    return (
        single(ONE_STEP),
        single(AGAIN, other_seed=100),
        single(LONGER, longer=4),
        matching(MATCHING),
        solved(SOLVER),
        solved(BOTH, evaluations=5, objective=_rollout(*rk4, kind="both")),
        single("one step, wider", method={"width": 2 * _WIDTH}),
        solved("RK4, direct gradient", objective=_rollout(*rk4, rollout_gradient="direct")),
        solved("Euler, 4 steps", own=Way("euler", 4)),
        single("one step, no LUT", method={"lut_mode": "none"}),
        solved("RK4, no LUT", method={"lut_mode": "none"}),
        matching("matching, no LUT", {"lut_mode": "none"}),
        matching("matching, early times", times="logit_normal"),
        matching("matching, noise 0.05", state_noise=0.05),
        matching("matching, end point", on="endpoint"),
        matching("matching, scattering path", path="scattering"),
        matching("matching, hazy not read", {"condition_on_hazy": False}),
        *(
            solved(f"RK4, {backbone}", group="backbone", method={"backbone": backbone})
            for backbone in ("residual", "nafnet", "attention")
        ),
        solved("RK4, 2 steps", own=Way("rk4", 2), evaluations=8),
    )


RECIPES = {recipe.name: recipe for recipe in _recipes()}
"""All by name, what the answer needs most first.

`RK4` is trained through one step, four evaluations; its backbone is the U-Net.
"""

CURVES = (ONE_STEP, MATCHING, SOLVER, BOTH)
"""Recipes that are restored with in many ways."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Everything that the results depend on but for `RECIPES` and the pictures."""

    recipes: tuple[str, ...] = tuple(RECIPES)
    """Names in `RECIPES`; `one step`, which all others are compared with, is always among them."""
    folds: int = 3
    """Parts that the scenes are dealt into; each is left out of one training and scored by it."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of initial values, data order and everything drawn, for each fold."""
    train_steps: int = 400
    """Of a training, unless it is longer."""
    batch_size: int = 8
    """Pictures of a step."""
    backbone: str = "unet"
    """Backbone of the purifier, unless the recipe says another."""
    width: int = _WIDTH
    """Channels of the backbone."""
    proxy_size: int = 64
    """Side of the proxy."""
    grid_size: int = 8
    """Rows and columns of the bilateral grid."""
    crop_size: int = 64
    """Side of the pictures that are trained on."""
    learning_rate: float = 2e-3
    """At its highest."""
    resamples: int = 10_000
    """Of the bootstrap."""
    straightness_steps: int = 16
    """Euler steps along which trajectories are followed."""
    large: tuple[int, int] = (2160, 3840)
    """Size at which backbones are timed."""
    ways: tuple[Way, ...] = (
        *(Way("euler", n) for n in (1, 2, 4, 8, 16)),
        *(Way("rk4", n) for n in (1, 2, 4, 8)),
    )
    """In which the recipes of `CURVES` are restored with."""
    landscapes: Landscapes | None = None
    """Rendered pictures in place of the user's pairs; there is one fold then."""

    def __post_init__(self):
        unknown = [name for name in self.recipes if name not in RECIPES]
        if unknown:
            known = ", ".join(RECIPES)
            raise InputError("recipes", f"no recipe {unknown[0]!r}; there are {known}")
        rule = ONE_STEP in self.recipes, f"must hold {ONE_STEP!r}"
        check_fields(self, {"recipes": rule})

    def train_config(
        self, recipe: Recipe, seed: int, prepared: str, workdir: str
    ) -> training.TrainConfig:
        """One training."""
        steps = self.train_steps * recipe.longer
        method = {"backbone": self.backbone, "width": self.width, **recipe.method}
        return training.TrainConfig(
            method=methods.DehazeFlowConfig(
                proxy_size=self.proxy_size,
                grid_size=self.grid_size,
                objective=methods.ObjectiveConfig(**recipe.objective),
                **method,
            ),
            data=data.DataConfig(
                train=(prepared,),
                batch_size=self.batch_size,
                crop_size=self.crop_size,
                rotations=False,
            ),
            optimiser=methods.OptimiserConfig(
                learning_rate=self.learning_rate,
                warmup_steps=min(50, steps // 4),
                ema_decay=0.99,
            ),
            workdir=workdir,
            validation_pictures=0,
            steps=steps,
            seed=seed + recipe.other_seed,
            log_every=max(steps // 4, 1),
            save_every=steps,
            evaluate_every=steps + 1,  # the study scores by itself
            keep_checkpoints=1,
        )


VARIANTS = {
    "full": StudyConfig(),
    # A little of everything; its figures mean nothing.
    "smoke": StudyConfig(
        recipes=(ONE_STEP, MATCHING, "RK4, direct gradient"),
        seeds=(0,),
        train_steps=2,
        batch_size=4,
        backbone="studies.pointwise:Pointwise",
        width=8,
        proxy_size=32,
        grid_size=4,
        crop_size=16,
        resamples=100,
        straightness_steps=2,
        ways=(Way("euler", 1), Way("rk4", 4)),
        large=(24, 32),
        landscapes=Landscapes(height=24, width=32, scenes=3, hazes=2),
    ),
}
