"""Blocks that first mix places within channels, and then channels within places."""

import flax.linen as nn
from jaxtyping import Array, Float

from dehaze_jax.networks.depthwise import DepthwiseConv
from dehaze_jax.networks.kan import KANLinear, Outside


class ChannelKAN(nn.Module):
    """KAN-CID block: depthwise convolution, then `KANLinear`, GELU, `KANLinear` at each pixel.

    No residual and no normalisation.

    Attributes:
        features: channels in and out.
        size: side of the depthwise kernels, odd.
        outside: what splines are beyond their domain, see `KANLinear`.

    Reference: Fan et al., NeDR-Dehaze (arXiv 2511.13110).
    """

    features: int
    size: int = 7
    outside: Outside = "zero"

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Mixes features; of any size, see `DepthwiseConv`."""
        x = DepthwiseConv(self.size, padding="reflect", name="depthwise")(x)
        x = KANLinear(self.features, outside=self.outside, name="kan1")(x)
        x = nn.gelu(x, approximate=False)
        return KANLinear(self.features, outside=self.outside, name="kan2")(x)
