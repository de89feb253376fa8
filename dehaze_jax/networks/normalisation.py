"""Batch normalisation as PyTorch does it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_MOMENTUM = 0.1


class BatchNorm(nn.Module):
    """Normalises each channel over batch and place, with PyTorch's running statistics.

    flax's own module keeps a running mean of the biased variance; PyTorch's is of the unbiased one,
    while both normalise with the biased. Means are over the whole batch on all devices. Features
    are normalised in the type of the statistics and keep their own.

    Attributes:
        epsilon: added to the variance.

    Reference: Ioffe and Szegedy, Batch normalization (ICML 2015).
    """

    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w c"]:
        """Normalises by the batch in training, and by the running statistics else."""
        features = x.shape[-1]
        shape = (features,), jnp.float32
        scale = self.param("scale", nn.initializers.ones, *shape)
        bias = self.param("bias", nn.initializers.zeros, *shape)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, *shape)
        running_var = self.variable("batch_stats", "var", jnp.ones, *shape)
        kind, exact = x.dtype, running_mean.value.dtype
        scale, bias, x = (array.astype(exact) for array in (scale, bias, x))
        if train:
            mean = jnp.mean(x, axis=(0, 1, 2))
            var = jnp.mean(jnp.square(x - mean[None, None, None]), axis=(0, 1, 2))
            if not self.is_initializing():
                count = x.size // features
                unbiased = var * (count / max(count - 1, 1))
                keep = 1 - _MOMENTUM
                running_mean.value = keep * running_mean.value + _MOMENTUM * mean
                running_var.value = keep * running_var.value + _MOMENTUM * unbiased
        else:
            mean, var = running_mean.value, running_var.value
        factor = scale * jax.lax.rsqrt(var + self.epsilon)
        x = x * factor[None, None, None] + (bias - mean * factor)[None, None, None]
        return x.astype(kind)
