"""EfficientNet-lite3 as an encoder: features at four scales."""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.networks.depthwise import DepthwiseConv
from dehaze_jax.networks.normalisation import BatchNorm

_EPSILON = 1e-3  # of TensorFlow's batch normalisation, with which the published weights were learnt


class Stage(NamedTuple):
    """Blocks of one size.

    Attributes:
        features: channels of their outputs.
        blocks: how many.
        size: side of the depthwise kernels.
        stride: of the first block; the others keep the size.
        expansion: how many times more channels a block has inside than it is given.
        tap: whether the features after them are of use to a decoder.
    """

    features: int
    blocks: int
    size: int
    stride: int
    expansion: int
    tap: bool


STEM = 32
"""Channels after the first convolution."""

STAGES = (
    Stage(24, 1, 3, 1, 1, False),
    Stage(32, 3, 3, 2, 6, True),
    Stage(48, 3, 5, 2, 6, True),
    Stage(96, 5, 3, 2, 6, False),
    Stage(136, 5, 5, 1, 6, True),
    Stage(232, 6, 5, 2, 6, False),
    Stage(384, 1, 3, 1, 6, True),
)
"""The stages of EfficientNet-lite3."""


class EfficientNetLite3(nn.Module):
    """The convolutions of EfficientNet-lite3, without its classifier: 6.4 million parameters.

    No squeeze and excitation, ReLU6, and zeros around as TensorFlow puts them. Kernels start as
    normal numbers of variance 2 / (outputs that an input has a part in).

    Reference: Tan and Le, EfficientNet (ICML 2019), scaled by 1.2 in width and 1.4 in depth.
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w 3"], *, train: bool
    ) -> tuple[
        Float[Array, "b h1 w1 32"],
        Float[Array, "b h2 w2 48"],
        Float[Array, "b h3 w3 136"],
        Float[Array, "b h4 w4 384"],
    ]:
        """Features at 1/4, 1/8, 1/16 and 1/32 of the size; any size, rounded up.

        Args:
            x: images. The weights learnt on ImageNet are for colours less their mean, over their
                deviation.
            train: whether statistics of the batch are used, and the running ones updated.
        """
        x = nn.Conv(STEM, (3, 3), 2, use_bias=False, kernel_init=_initial, name="stem")(x)
        x = nn.relu6(BatchNorm(_EPSILON, name="stem_norm")(x, train=train))
        taps = []
        for number, stage in enumerate(STAGES):
            for block in range(stage.blocks):
                x = InvertedResidual(
                    stage.features,
                    stage.size,
                    stage.stride if block == 0 else 1,
                    stage.expansion,
                    name=f"stage{number}_block{block}",
                )(x, train=train)
            if stage.tap:
                taps.append(x)
        return tuple(taps)


class InvertedResidual(nn.Module):
    """Widens the features, convolves each channel by itself, and narrows them again.

    Attributes:
        features: channels of the output.
        size: side of the depthwise kernel.
        stride: of the depthwise convolution.
        expansion: how many times more channels there are inside; 1 for no widening.

    Reference: Sandler et al., MobileNetV2 (CVPR 2018).
    """

    features: int
    size: int = 3
    stride: int = 1
    expansion: int = 6

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b H W k"]:
        """Adds its input where the output has the same shape."""
        y = x
        if self.expansion > 1:
            y = Pointwise(self.expansion * x.shape[-1], name="expand")(y)
            y = nn.relu6(BatchNorm(_EPSILON, name="expand_norm")(y, train=train))
        y = DepthwiseConv(
            self.size, self.stride, bias=False, kernel_init=_initial_depthwise, name="depthwise"
        )(y)
        y = nn.relu6(BatchNorm(_EPSILON, name="depthwise_norm")(y, train=train))
        y = Pointwise(self.features, name="project")(y)
        y = BatchNorm(_EPSILON, name="project_norm")(y, train=train)
        return x + y if y.shape == x.shape else y


class Pointwise(nn.Module):
    """1 x 1 convolution as a product of two matrices, whose gradient is several times quicker.

    Attributes:
        features: channels of the output.
    """

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w k"]:
        """Mixes the channels of each pixel."""
        shape = (1, 1, x.shape[-1], self.features)
        kernel = self.param("kernel", _initial, shape, jnp.float32)
        return (x.reshape(-1, x.shape[-1]) @ kernel[0, 0]).reshape(*x.shape[:-1], -1)


_initial = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


def _initial_depthwise(key, shape, dtype):
    return nn.initializers.normal(2**0.5 / shape[0])(key, shape, dtype)
