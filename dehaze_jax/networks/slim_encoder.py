"""A small encoder with features at four scales, quick to train on a CPU."""

import flax.linen as nn
from jaxtyping import Array, Float

from dehaze_jax.networks.layers import fold

_EPSILON = 1e-3  # holds gradients down where a picture is flat
# Without biases a flat picture would be normalised to the same features whatever its grey.
_BIAS = nn.initializers.normal(0.5)


class SlimEncoder(nn.Module):
    """Residual convolutions at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size.

    Features are normalised at each pixel over its channels. So pictures of a batch do not depend on
    each other, small batches train as later they run, and the features have the scale that splines
    on a fixed grid need.

    Attributes:
        width: channels at half the size and of the finest features; the coarser have 2, 4 and 8
            times as many.
        blocks: residual blocks at each scale; at half the size there is one.
    """

    width: int = 16
    blocks: int = 2

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w 3"], *, train: bool
    ) -> tuple[
        Float[Array, "b h1 w1 c1"],
        Float[Array, "b h2 w2 c2"],
        Float[Array, "b h3 w3 c3"],
        Float[Array, "b h4 w4 c4"],
    ]:
        """Features at 1/4, 1/8, 1/16 and 1/32 of the size; any size, rounded up.

        Args:
            x: images in [0, 1].
            train: of no effect; the larger encoder needs it.
        """
        del train
        stem = nn.Dense(self.width, bias_init=_BIAS, name="stem")
        x = SlimBlock(name="half")(stem(fold(2 * x - 1, 2)))
        taps = []
        for level in range(4):
            x = nn.Dense(2**level * self.width, name=f"down{level + 1}")(fold(x, 2))
            for block in range(self.blocks):
                x = SlimBlock(name=f"level{level + 1}_block{block}")(x)
            taps.append(nn.LayerNorm(_EPSILON, name=f"tap{level + 1}")(x))
        first, second, third, fourth = taps
        return first, second, third, fourth


class SlimBlock(nn.Module):
    """x + dense(gelu(conv(norm(x)))), at first x alone: the dense layer starts at zero."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Refines features."""
        features = x.shape[-1]
        y = nn.LayerNorm(_EPSILON, name="norm")(x)
        y = nn.gelu(nn.Conv(features, (3, 3), name="conv")(y))
        return x + nn.Dense(features, kernel_init=nn.initializers.zeros, name="dense")(y)
