"""Telling a network what time it is."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


def sinusoids(
    t: Float[Array, "*batch"], features: int, *, max_frequency: float = 64.0
) -> Float[Array, "*batch features"]:
    """Cosines and sines of t at frequencies spaced geometrically from 1 to `max_frequency`.

    Args:
        t: times in [0, 1].
        features: number of values, even.
        max_frequency: highest angular frequency, in half turns over [0, 1].

    Raises:
        ValueError: `features` is odd or less than 2.

    Reference: Vaswani et al., Attention is all you need (NeurIPS 2017), section 3.5, with the
    frequencies fitted to the unit interval.
    """
    if features < 2 or features % 2:
        raise ValueError(f"sinusoids come in pairs: an even number of features, not {features}")
    half = features // 2
    frequency = jnp.pi * max_frequency ** (jnp.arange(half, dtype=t.dtype) / max(half - 1, 1))
    angle = t[..., None] * frequency.reshape((1,) * t.ndim + (-1,))
    return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)


class TimeEmbedding(nn.Module):
    """Sinusoids followed by two dense layers.

    Attributes:
        features: length of the embedding, even.
    """

    features: int = 64

    @nn.compact
    def __call__(self, t: Float[Array, " batch"]) -> Float[Array, "batch features"]:
        """Embeds one time an image."""
        hidden = nn.Dense(self.features)(sinusoids(t, self.features))
        return nn.Dense(self.features)(nn.silu(hidden))
