"""The methods there are."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType

from dehaze_jax.methods.bilateral import method as bilateral
from dehaze_jax.methods.bilateral.config import BilateralConfig
from dehaze_jax.methods.bilateral.published import import_published as import_bilateral
from dehaze_jax.methods.config import MethodConfig, OptimiserConfig
from dehaze_jax.methods.dehazeflow import method as dehazeflow
from dehaze_jax.methods.dehazeflow.config import DehazeFlowConfig
from dehaze_jax.methods.importing import Imported
from dehaze_jax.methods.nedr import method as nedr
from dehaze_jax.methods.nedr.config import NedrConfig
from dehaze_jax.methods.nedr.published import import_published as import_nedr
from dehaze_jax.methods.protocol import Method


@dataclasses.dataclass(frozen=True)
class Entry:
    """One method.

    Attributes:
        config: class of its configurations.
        build: `(config, optimiser config, total steps) -> Method`.
        import_published: `(tensors, source=file) -> Imported`, for a checkpoint that the authors'
            code wrote; None where that is not known.
        build_hazing: `(config, haze options) -> Method` whose restoring goes the other way: haze
            onto clear pictures; None where the method does not learn that.
    """

    config: type
    build: Callable[..., Method]
    import_published: Callable[..., Imported] | None = None
    build_hazing: Callable[..., Method] | None = None


METHODS: Mapping[str, Entry] = MappingProxyType(
    {
        "dehazeflow": Entry(DehazeFlowConfig, dehazeflow.build),
        "bilateral": Entry(BilateralConfig, bilateral.build, import_bilateral),
        "nedr": Entry(NedrConfig, nedr.build, import_nedr, nedr.build_hazing),
    }
)


def build(
    config: MethodConfig,
    optimiser: OptimiserConfig | None = None,
    *,
    total_steps: int = 1,
) -> Method:
    """Makes the method of a configuration.

    Args:
        config: configuration of the method.
        optimiser: how it is trained; may be left out if it is not.
        total_steps: length of the training, which the schedule needs.

    Raises:
        InputError: the configuration does not fit together.
    """
    return METHODS[config.name].build(config, optimiser or OptimiserConfig(), total_steps)
