"""Haze as the published training sets have it. No JAX here, as in `config`.

References:
    reside_its, reside_ots: Li et al., "Benchmarking single-image dehazing and beyond", TIP 2019.
    haze4k: Liu et al., "From synthetic to real: image dehazing collaborating with unlabeled real
        data", ACM MM 2021, and its code.
    ridcp: Wu et al., "RIDCP: revitalizing real image dehazing via high-quality codebook priors",
        CVPR 2023, and its code.
"""

import dataclasses
from collections.abc import Mapping

from dehaze_jax.haze.config import (
    FalloffConfig,
    GammaConfig,
    GradientConfig,
    HazeConfig,
    JpegConfig,
    NightConfig,
    NoiseConfig,
    PatchConfig,
)

_PLAIN = HazeConfig(
    tint=0.0,
    patches=PatchConfig(probability=0.0),
    falloff=FalloffConfig(probability=0.0),
    gradient=GradientConfig(probability=0.0),
    night=NightConfig(probability=0.0),
    gamma=GammaConfig(probability=0.0),
    noise=NoiseConfig(probability=0.0),
    jpeg=JpegConfig(probability=0.0),
)

PRESETS: Mapping[str, HazeConfig] = {
    "reside_its": dataclasses.replace(_PLAIN, beta=(0.6, 1.8), airlight=(0.7, 1.0)),
    # Beta is per unit of an estimated depth that is nowhere stated; 5 is what -ln T / beta of the
    # outdoor test pictures comes to where they are farthest.
    "reside_ots": dataclasses.replace(
        _PLAIN,
        draw="grid",
        beta=(0.04, 0.06, 0.08, 0.1, 0.12, 0.16, 0.2),
        airlight=(0.8, 0.85, 0.9, 0.95, 1.0),
        farthest=5.0,
    ),
    "haze4k": dataclasses.replace(_PLAIN, beta=(0.5, 2.0), airlight=(0.5, 1.0)),
    # Transmission is exp(-2 beta d) there. The noise is a camera's, after the haze; theirs is of
    # the scene.
    "ridcp": dataclasses.replace(
        _PLAIN,
        beta=(0.3, 1.5),
        airlight=(0.25, 1.0),
        tint=0.025,
        farthest=2.0,
        gamma=GammaConfig(probability=0.5),
        noise=NoiseConfig(probability=0.5),
        jpeg=JpegConfig(probability=0.5),
    ),
}
"""Configurations by name; change what you like with `dataclasses.replace`."""
