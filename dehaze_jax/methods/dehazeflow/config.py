"""Configuration of 4KDehazeFlow. No JAX here: configs are read before devices start.

The paper fixes the ODE from hazy to clear, a velocity of purifier plus learnable 3D LUT, and RK4.
Every other default is a choice of this implementation.
"""

import dataclasses
from typing import Literal

from dehaze_jax.errors import check_fields


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What the velocity field is trained on."""

    kind: Literal["matching", "rollout", "both"] = "both"
    """Flow matching on states of the path, a loss on the end of a solve, or their sum. On the path
    alone the field learns from states that contain the clear image; a solver's own do not."""
    path: Literal["linear", "scattering"] = "linear"
    """Path from hazy to clear: a straight line, or haze that thins by the scattering model."""
    times: Literal["uniform", "logit_normal"] = "uniform"
    """Distribution of training times; the second favours early ones."""
    penalty: Literal["l2", "l1", "charbonnier"] = "l2"
    """How an error of the velocity is counted."""
    on: Literal["velocity", "endpoint"] = "velocity"
    """Count the error of the velocity, or of the end it points to."""
    state_noise: float = 0.0
    """Standard deviation of Gaussian noise added to states of the path."""
    rollout_solver: str = "rk4"
    """Solver of the rollout. The weights restore by it, too, if no other is asked for."""
    rollout_steps: int = 1
    """Steps of the rollout."""
    rollout_gradient: Literal["full", "direct"] = "full"
    """Differentiate through the whole solve; or take the states at which the field is evaluated as
    given, so that an evaluation answers for what it adds, and not for where it leads the next."""
    remat: Literal["none", "pixels", "stages"] = "none"
    """What a rollout computes anew in its backward pass instead of keeping it: nothing; the work at
    full size; or whole stages, with the networks. Both loop over the stages, which on CPUs is
    slower than writing them out."""
    rollout_weight: float = 1.0
    """Weight of the rollout's loss: mean absolute error at the end of the solve."""
    ssim_weight: float = 0.2
    """Weight of (1 - SSIM) inside the rollout's loss."""
    lut_smoothness: float = 1e-4
    """Weight of the smoothness penalty on the Haze-LUT."""
    lut_monotonicity: float = 1e-2
    """Weight of the monotonicity penalty on the Haze-LUT."""

    def __post_init__(self):
        check_fields(self, {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class DehazeFlowConfig:
    """Velocity field and objective of 4KDehazeFlow."""

    name: Literal["dehazeflow"] = "dehazeflow"
    """Says which method this is."""
    proxy_size: int = 128
    """The purifier reads the picture at this size, square; a multiple of 4."""
    grid_size: int = 16
    """Rows and columns of the bilateral grid that the purifier predicts; divides a quarter of the
    proxy size."""
    grid_depth: int = 8
    """Values of the guide in the grid; 1 makes the upsampling plainly bilinear."""
    backbone: str = "unet"
    """A name in `networks.BACKBONES`, or a module of yours as "module:Name"."""
    width: int = 32
    """Channels of the backbone."""
    time_features: int = 64
    """Length of the time embedding."""
    time_conditioning: Literal["film", "channel"] = "film"
    """Time modulates the backbone's blocks, or is one more constant input channel."""
    condition_on_hazy: bool = True
    """The purifier also reads the hazy picture that the flow started from."""
    lut_size: int = 17
    """Nodes of the Haze-LUT along each axis."""
    lut_count: int = 1
    """Haze-LUTs; several are mixed by weights that depend on time and on the picture's colours."""
    lut_interpolation: Literal["trilinear", "tetrahedral"] = "trilinear"
    """How the Haze-LUT is interpolated between its nodes."""
    lut_mode: Literal["additive", "composed", "concat", "none"] = "additive"
    """P(x) + g (LUT(x) - x); or LUT(x + P(x)) - x; or P(x, LUT(x)), where the purifier reads the
    looked-up proxy; or P(x) alone, for studies."""
    objective: ObjectiveConfig = ObjectiveConfig()
    """What the field is trained on."""

    def __post_init__(self):
        check_fields(self, {})
