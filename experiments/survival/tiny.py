"""A run that is begun again in a few seconds, and is nearly always writing something.

`python experiments/survival/kill.py` trains it.
"""

import flax.linen as nn

from dehaze_jax.data import DataConfig
from dehaze_jax.methods import DehazeFlowConfig, OptimiserConfig
from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig
from dehaze_jax.training import TrainConfig


class Pointwise(nn.Module):
    """A backbone that compiles quickly."""

    features: int
    width: int

    @nn.compact
    def __call__(self, x, embedding):
        """Two layers for every pixel alone."""
        hidden = nn.Dense(self.width)(x) + nn.Dense(self.width)(embedding)[:, None, None, :]
        return nn.Dense(self.features)(nn.gelu(hidden))


def get_config() -> TrainConfig:
    """Saves every third step and scores every sixth; data comes as an option."""
    return TrainConfig(
        method=DehazeFlowConfig(
            backbone="tiny:Pointwise",
            width=8,
            proxy_size=16,
            grid_size=4,
            grid_depth=2,
            lut_size=5,
            time_features=8,
            objective=ObjectiveConfig(kind="matching"),
        ),
        data=DataConfig(batch_size=2, crop_size=32),
        optimiser=OptimiserConfig(learning_rate=2e-3, warmup_steps=10, ema_decay=0.9),
        steps=60,
        log_every=1,
        save_every=3,
        evaluate_every=6,
        validation_pictures=2,
        keep_checkpoints=2,
    )
