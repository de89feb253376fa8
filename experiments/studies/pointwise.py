"""A backbone for smoke variants: it restores little and compiles quickly."""

import flax.linen as nn
from jaxtyping import Array, Float


class Pointwise(nn.Module):
    """Two layers at each pixel.

    Attributes:
        features: channels of the output.
        width: channels inside.
    """

    features: int
    width: int = 8

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], embedding: Float[Array, "b e"]
    ) -> Float[Array, "b h w k"]:
        """Maps features and the embedding of the time to `features` channels."""
        hidden = nn.Dense(self.width)(x) + nn.Dense(self.width)(embedding)[:, None, None, :]
        return nn.Dense(self.features)(nn.gelu(hidden))
