r"""4KDehazeFlow, small: the recipes of the weights that ship as `dehazeflow` and `dehazeflow-tiny`.

The field is trained from nothing for the solve that it is used with, one RK4 step, on cuts whose
haze is made thinner and denser. From there it goes on without that, once on whole pictures and once
on cuts; the mean of the two is released:

    python experiments/weights/prepare_pairs.py --from DATA --to prepared
    dehaze-jax prepare rendered_haze/landscapes --to prepared/landscapes --scenes 30 --seed 1000
    dehaze-jax train experiments/configs/dehazeflow.py --workdir runs/base
    dehaze-jax train experiments/configs/dehazeflow.py:whole --workdir runs/whole
    dehaze-jax train experiments/configs/dehazeflow.py:cuts --workdir runs/cuts
    python experiments/weights/average.py --of runs/whole runs/cuts --to runs/dehazeflow
    python experiments/weights/release.py --run runs/dehazeflow --name dehazeflow

`dehazeflow-tiny` is half as wide and made in the same way:

    for stage in base whole cuts; do
        dehaze-jax train experiments/configs/dehazeflow.py:tiny_$stage --workdir runs/tiny_$stage
    done
    python experiments/weights/average.py --of runs/tiny_whole runs/tiny_cuts --to runs/tiny
    python experiments/weights/release.py --run runs/tiny --name dehazeflow-tiny

`experiments/weights/collect_pairs.py` collects DATA. The sizes fit two CPU cores: half an hour for
either. `matching` is flow matching alone, as in the
paper, of the default field, which has a U-Net; `smoke` is a minute of it.
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


def _data(*, landscapes: float = 0.0, **fields: Any) -> DataConfig:
    sets = PAIRS | ({"prepared/landscapes": landscapes} if landscapes else {})
    return DataConfig(
        train=tuple(sets),
        weights=tuple(sets.values()),
        validation=tuple(PAIRS),
        batch_size=8,
        rotations=False,
        **fields,
    )


def _released() -> dict[str, TrainConfig]:
    rollout = ObjectiveConfig(kind="rollout")
    field = DehazeFlowConfig(
        backbone="attention", proxy_size=64, time_features=32, objective=rollout
    )
    cuts = {"crop_size": 64, "crop_scale": (0.7, 1.0)}
    base = TrainConfig(
        method=field,
        data=_data(landscapes=3.0, haze_scale=(0.4, 1.15), **cuts),
        optimiser=OptimiserConfig(learning_rate=1e-3, ema_decay=0.998),
        steps=3000,
    )
    whole = TrainConfig(
        method=field,
        data=_data(crop_size=64, crop="whole"),
        optimiser=OptimiserConfig(learning_rate=5e-4, warmup_steps=30, ema_decay=0.99),
        steps=600,
        seed=2,
        init_from="runs/base",
    )
    stages = {"base": base, "whole": whole, "cuts": dataclasses.replace(whole, data=_data(**cuts))}
    return stages | {f"tiny_{name}": _tiny(stage) for name, stage in stages.items()}


def _tiny(stage: TrainConfig) -> TrainConfig:
    method = dataclasses.replace(stage.method, width=16, lut_size=9)
    start = None if stage.init_from is None else "runs/tiny_base"
    return dataclasses.replace(stage, method=method, init_from=start)


def _matching() -> dict[str, TrainConfig]:
    matching = TrainConfig(
        method=DehazeFlowConfig(objective=ObjectiveConfig(kind="matching")),
        data=_data(crop_size=192),
        optimiser=OptimiserConfig(learning_rate=1e-3, ema_decay=0.998),
        steps=2400,
    )
    smoke = TrainConfig(
        method=dataclasses.replace(matching.method, width=8),
        data=matching.data,
        steps=20,
        validation_pictures=1,
    )
    return {"matching": matching, "smoke": smoke}


def get_config(variant: str = "base") -> TrainConfig:
    """A stage of either, as above; `matching` or `smoke`."""
    return (_released() | _matching())[variant]
