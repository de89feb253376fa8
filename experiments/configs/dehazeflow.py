r"""4KDehazeFlow, small: the recipe of the weights that ship as `dehazeflow` and `dehazeflow-tiny`.

Flow matching alone brings the field near quickly; a loss through the solver makes it right on the
states that a solve really visits; landscapes with rendered haze widen what it has seen. Then the
field is trained for the solve that it is used with, one RK4 step: on whole pictures, on cuts, and
on cuts whose haze is scaled. These three begin at the same place and make different mistakes; their
mean is better than each of them, and so is its mean with a longer training that begins there:

    python experiments/weights/prepare_pairs.py --from DATA --to prepared
    dehaze-jax prepare rendered_haze/landscapes --to prepared/landscapes --scenes 30 --seed 1000
    dehaze-jax train experiments/configs/dehazeflow.py:matching --workdir runs/matching
    dehaze-jax train experiments/configs/dehazeflow.py:solver --workdir runs/solver
    dehaze-jax train experiments/configs/dehazeflow.py:rendered --workdir runs/rendered
    for stage in whole cuts scaled; do
        dehaze-jax train experiments/configs/dehazeflow.py:$stage --workdir runs/$stage
    done
    python experiments/weights/average.py --of runs/whole runs/cuts runs/scaled --to runs/mean
    dehaze-jax train experiments/configs/dehazeflow.py --workdir runs/long
    python experiments/weights/average.py --to runs/dehazeflow \
        --of runs/whole runs/cuts runs/scaled runs/long
    python experiments/weights/release.py --run runs/dehazeflow --name dehazeflow

The sizes fit two CPU cores: two hours for all stages. `tiny` needs no other stage; `smoke` takes a
minute.
"""

import dataclasses
from typing import Any

from dehaze_jax.data import DataConfig
from dehaze_jax.methods import DehazeFlowConfig, OptimiserConfig
from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig
from dehaze_jax.training import TrainConfig

# Share of the batches that each set gets: the real sets are small and varied, the rendered easy.
PAIRS = {
    "prepared/o-haze_800": 3.0,
    "prepared/i-haze_800": 2.0,
    "prepared/nh-haze_800": 4.0,
    "prepared/nh-haze2_800": 2.0,
    "prepared/sots-outdoor": 3.0,
    "prepared/sots-indoor": 2.0,
}


def _data(*, landscapes: float = 0.0, revide: float = 0.0, **fields: Any) -> DataConfig:
    more = {"prepared/revide": revide, "prepared/landscapes": landscapes}
    sets = PAIRS | {name: share for name, share in more.items() if share}
    defaults = {"crop_size": 192, "crop_scale": (0.5, 1.0)}
    return DataConfig(
        train=tuple(sets),
        weights=tuple(sets.values()),
        validation=tuple(PAIRS),
        batch_size=8,
        rotations=False,
        **(defaults | fields),
    )


def _first_stages() -> dict[str, TrainConfig]:
    matching = DehazeFlowConfig(objective=ObjectiveConfig(kind="matching"))
    both = ObjectiveConfig(kind="both", rollout_solver="euler", rollout_steps=4)
    fine = OptimiserConfig(learning_rate=5e-4, warmup_steps=50, ema_decay=0.995)
    solver = TrainConfig(
        method=DehazeFlowConfig(objective=both),
        data=_data(),
        optimiser=fine,
        steps=400,
        save_every=200,
        init_from="runs/matching",
    )
    return {
        "matching": TrainConfig(
            method=matching,
            data=_data(),
            optimiser=OptimiserConfig(learning_rate=1e-3, ema_decay=0.998),
            steps=2400,
        ),
        "solver": solver,
        "rendered": dataclasses.replace(
            solver, data=_data(landscapes=4.0), seed=1, save_every=100, init_from="runs/solver"
        ),
        "smoke": TrainConfig(
            method=dataclasses.replace(matching, width=8),
            data=_data(),
            steps=20,
            validation_pictures=1,
        ),
    }


def _last_stages() -> dict[str, TrainConfig]:
    objective = ObjectiveConfig(kind="rollout")
    sharper = ObjectiveConfig(kind="rollout", ssim_weight=0.5)
    cuts = {"crop_size": 128, "crop_scale": (0.7, 1.0)}
    stage = TrainConfig(
        method=DehazeFlowConfig(objective=objective),
        data=_data(crop_size=128, crop="whole"),
        optimiser=OptimiserConfig(learning_rate=5e-4, warmup_steps=30, ema_decay=0.99),
        steps=600,
        seed=2,
        save_every=200,
        init_from="runs/rendered",
    )
    scaled = dataclasses.replace(
        stage,
        method=DehazeFlowConfig(objective=sharper),
        data=_data(landscapes=3.0, haze_scale=(0.4, 1.15), **cuts),
    )
    return {
        "whole": stage,
        "cuts": dataclasses.replace(stage, data=_data(**cuts)),
        "scaled": scaled,
        "base": dataclasses.replace(
            scaled,
            data=_data(landscapes=3.0, revide=0.7, haze_scale=(0.3, 1.15), **cuts),
            optimiser=dataclasses.replace(stage.optimiser, ema_decay=0.995),
            steps=1200,
            seed=5,
            init_from="runs/mean",
        ),
        "tiny": TrainConfig(
            method=DehazeFlowConfig(
                proxy_size=64, width=16, time_features=32, lut_size=9, objective=objective
            ),
            data=_data(landscapes=3.0, haze_scale=(0.4, 1.15), crop_size=64, crop_scale=(0.7, 1.0)),
            optimiser=OptimiserConfig(learning_rate=1e-3, ema_decay=0.998),
            steps=2500,
        ),
    }


def get_config(variant: str = "base") -> TrainConfig:
    """A stage, as above; or `smoke`."""
    return (_first_stages() | _last_stages())[variant]
