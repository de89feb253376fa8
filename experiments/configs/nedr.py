r"""NeDR-Dehaze, unpaired: the recipe of the weights that ship as `nedr`, and others.

    python experiments/weights/prepare_pairs.py --from DATA --to prepared
    python experiments/weights/split_unpaired.py --from DATA --to unpaired
    dehaze-jax train experiments/configs/nedr.py --workdir runs/nedr \
        --method.objective.range-weight 0
    python experiments/weights/release.py --run runs/nedr --name nedr

The weights that ship were trained before there was a `range_weight`. DATA:
`experiments/weights/collect_pairs.py`.

`base` is the slim network: an hour on two CPU cores. `plain` is the same without coordinates.
`published` is the network of the paper under the recipe of its authors (squares of the full shorter
side, 256 x 256, batch 6, Adam at 1e-4), on our pictures, and `released` what their code computes;
both are for a GPU. `smoke` takes a minute. Prepared pairs are looked at for scores only.
"""

import dataclasses

from dehaze_jax.data import DataConfig
from dehaze_jax.methods import PUBLISHED, NedrConfig, NedrObjectiveConfig, OptimiserConfig
from dehaze_jax.training import TrainConfig

# Share of the batches that each set gets: the real sets are small and varied, the rendered easy.
SETS = {
    "o-haze_800": 3.0,
    "i-haze_800": 2.0,
    "nh-haze_800": 4.0,
    "nh-haze2_800": 2.0,
    "sots-outdoor": 3.0,
    "sots-indoor": 2.0,
}


# The authors' rates are for two million steps; in two thousand the critics would learn nothing.
OURS = NedrObjectiveConfig(adversarial_weight=0.4, critic_rate=0.3)


def get_config(variant: str = "base") -> TrainConfig:
    """`base`, `plain`, `published`, `released` or `smoke`."""
    shares = tuple(SETS.values())
    base = TrainConfig(
        method=NedrConfig(objective=OURS),
        data=DataConfig(
            train=tuple(f"unpaired/{name}/hazy" for name in SETS),
            weights=shares,
            clear=tuple(f"unpaired/{name}/clear" for name in SETS),
            clear_weights=shares,
            validation=tuple(f"prepared/{name}" for name in SETS),
            batch_size=8,
            crop_size=128,
            crop_scale=(0.5, 1.0),
            rotations=False,
        ),
        optimiser=OptimiserConfig(
            learning_rate=5e-4, b1=0.5, warmup_steps=100, schedule="cosine", ema_decay=0.998
        ),
        steps=1500,
        log_every=50,
        save_every=250,
        evaluate_every=125,
        validation_pictures=24,
    )
    published = dataclasses.replace(
        base,
        method=PUBLISHED,
        data=dataclasses.replace(base.data, batch_size=6, crop_size=256, crop_scale=(1.0, 1.0)),
        optimiser=OptimiserConfig(
            learning_rate=1e-4, warmup_steps=0, schedule="constant", clip_norm=0.0
        ),
        steps=2_000_000,
        evaluate_every=20_000,
        save_every=20_000,
    )
    # Epoch 100 of 1,399 clear pictures.
    halved = dataclasses.replace(PUBLISHED.objective, halve_at=100 * 1399 // 6)
    published = dataclasses.replace(
        published, method=dataclasses.replace(PUBLISHED, objective=halved)
    )
    variants = {
        "base": base,
        "plain": dataclasses.replace(base, method=NedrConfig(coordinates=False, objective=OURS)),
        "published": published,
        "released": dataclasses.replace(
            published, method=dataclasses.replace(published.method, variant="released")
        ),
        "smoke": dataclasses.replace(
            base,
            method=NedrConfig(width=8, proxy_size=64),
            steps=20,
            log_every=10,
            save_every=20,
            validation_pictures=1,
        ),
    }
    return variants[variant]
