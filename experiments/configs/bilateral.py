"""Multi-guided bilateral learning: the recipe of the weights that ship as `bilateral`, and others.

    python experiments/weights/prepare_pairs.py --from DATA --to prepared
    dehaze-jax prepare rendered_haze/landscapes --to prepared/landscapes --scenes 30 --seed 1000
    dehaze-jax train experiments/configs/bilateral.py --workdir runs/slim
    dehaze-jax train experiments/configs/bilateral.py:scaled --workdir runs/slim_scaled
    python experiments/weights/average.py --of runs/slim runs/slim_scaled --to runs/bilateral
    python experiments/weights/release.py --run runs/bilateral --name bilateral

`experiments/weights/collect_pairs.py` collects DATA. `base` is the slim network on random cuts of
all sets: half an hour on two CPU cores; `scaled` goes on with larger cuts whose haze is scaled, for
ten minutes. What ships is their mean. `released` is the published network under the same recipe and
loss, `published` under that of its authors (whole pictures stretched to 512 x 512, L1, Adam at
1e-3, batch 16), but on our sets, with area means where theirs reduces bilinearly, and for a fixed
number of steps; both are for a GPU. `smoke` takes a minute.
"""

import dataclasses

from dehaze_jax.data import DataConfig
from dehaze_jax.methods import RELEASED, BilateralConfig, OptimiserConfig
from dehaze_jax.methods.bilateral.config import BilateralObjectiveConfig
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
RENDERED = {"prepared/landscapes": 2.0}


def get_config(variant: str = "base") -> TrainConfig:
    """`base`, `scaled`, `released`, `published` or `smoke`."""
    sets = {**PAIRS, **RENDERED}
    base = TrainConfig(
        method=BilateralConfig(),
        data=DataConfig(
            train=tuple(sets),
            weights=tuple(sets.values()),
            validation=tuple(PAIRS),
            batch_size=8,
            crop_size=128,
            crop_scale=(0.5, 1.0),
            rotations=False,
        ),
        optimiser=OptimiserConfig(learning_rate=1e-3, ema_decay=0.998),
        steps=4000,
        log_every=100,
        save_every=500,
        evaluate_every=500,
        validation_pictures=24,
    )
    published = DataConfig(
        train=base.data.train,
        weights=base.data.weights,
        validation=base.data.validation,
        batch_size=16,
        crop_size=512,
        crop="whole",
        flips=False,
        rotations=False,
    )
    more = {**PAIRS, "prepared/revide": 0.7, **RENDERED}
    scaled = dataclasses.replace(
        base,
        method=BilateralConfig(objective=BilateralObjectiveConfig(ssim_weight=0.5)),
        data=dataclasses.replace(
            base.data,
            train=tuple(more),
            weights=tuple(more.values()),
            crop_size=192,
            crop_scale=(0.7, 1.0),
            haze_scale=(0.4, 1.15),
        ),
        optimiser=OptimiserConfig(learning_rate=5e-4, warmup_steps=30, ema_decay=0.99),
        steps=600,
        seed=3,
        init_from="runs/slim",
    )
    variants = {
        "base": base,
        "scaled": scaled,
        "released": dataclasses.replace(
            base, method=dataclasses.replace(RELEASED, objective=base.method.objective)
        ),
        "published": dataclasses.replace(
            base,
            method=RELEASED,
            data=published,
            optimiser=OptimiserConfig(
                learning_rate=1e-3,
                warmup_steps=0,
                schedule="constant",
                clip_norm=0.0,
                ema_decay=0.0,
            ),
            steps=20_000,
        ),
        "smoke": dataclasses.replace(
            base,
            method=BilateralConfig(width=8, proxy_size=64),
            steps=20,
            log_every=10,
            save_every=20,
            validation_pictures=1,
        ),
    }
    return variants[variant]
