"""A network that says of each patch of an image whether it is real."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_WARM_UP = 15  # power iterations at the start
_EPSILON = 1e-12  # PyTorch's


class PatchDiscriminator(nn.Module):
    """PatchGAN with spectral normalisation: five 4 x 4 convolutions with the published values.

    Attributes:
        width: channels of the first layer; doubled by each, up to eight times as many.
        levels: convolutions with stride 2; two with stride 1 follow. With 3 each value of the
            output sees 70 x 70 pixels.

    Reference: Isola et al., Image-to-image translation with conditional adversarial networks
    (CVPR 2017).
    """

    width: int = 64
    levels: int = 3

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b m n 1"]:
        """One value in (0, 1) for each patch: 30 x 30 of a 256 x 256 image.

        Raises:
            ValueError: an image is so small that there is no patch.
        """
        least = 3 * 2**self.levels
        if min(x.shape[1:3]) < least:
            raise ValueError(f"patches need {least} x {least} pixels, not {x.shape[1:3]}")
        for level in range(self.levels + 1):
            stride = 2 if level < self.levels else 1
            features = self.width * min(2**level, 8)
            x = SpectralConv(features, stride, name=f"conv{level + 1}")(x, train=train)
            x = nn.leaky_relu(x, 0.2)
        x = SpectralConv(1, 1, name=f"conv{self.levels + 2}")(x, train=train)
        return nn.sigmoid(x)


class SpectralConv(nn.Module):
    """4 x 4 convolution with one pixel of zeros around, divided by its largest singular value.

    The singular vectors, over outputs (`u`) and inputs (`v`) of the kernel, are kept in the
    collection "spectral" and made better by one power iteration in each training call, as in
    PyTorch.

    Attributes:
        features: channels of the output.
        stride: 1 or 2.

    Reference: Miyato et al., Spectral normalization for GANs (ICLR 2018).
    """

    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b H W k"]:
        """Convolves; in training by the new singular vectors, kept where "spectral" is mutable."""
        bound = (16 * x.shape[-1]) ** -0.5

        def uniform(key, shape):
            return jax.random.uniform(key, shape, jnp.float32, -bound, bound)

        kernel = self.param("kernel", uniform, (4, 4, x.shape[-1], self.features))

        def start():
            u = _unit(jax.random.normal(self.make_rng("params"), (self.features,)))
            return jax.lax.fori_loop(0, _WARM_UP, lambda _, u: _iterate(kernel, u)[0], u)

        u = self.variable("spectral", "u", start)
        v = self.variable("spectral", "v", lambda: _iterate(kernel, u.value)[1])
        left, right = u.value, v.value
        if train and not self.is_initializing():
            left, right = _iterate(kernel, left)
            if self.is_mutable_collection("spectral"):
                u.value, v.value = left, right
        largest = jnp.einsum("hwio,hwi,o->", kernel, right, left)
        return _convolve(x, kernel / largest, self.stride)


def _iterate(kernel, u):
    """One power iteration; gradients do not go through it."""
    kernel = jax.lax.stop_gradient(kernel)
    v = _unit(jnp.einsum("hwio,o->hwi", kernel, u))
    return _unit(jnp.einsum("hwio,hwi->o", kernel, v)), v


def _unit(vector):
    return vector / jnp.maximum(jnp.sqrt(jnp.sum(jnp.square(vector))), _EPSILON)


def _convolve(x, kernel, stride: int):
    if kernel.shape[-1] == 1 and stride == 1:
        return _convolve_to_one(x, kernel)
    layout = ("NHWC", "HWIO", "NHWC")
    around, strides = [(1, 1)] * 2, (stride, stride)
    return jax.lax.conv_general_dilated(x, kernel, strides, around, dimension_numbers=layout)


def _convolve_to_one(x, kernel):
    """One product with all places of the kernel, whose results are shifted and summed.

    XLA's convolutions to a single channel take several times as long on CPUs.
    """
    products = jnp.einsum("bhwc,yxc->bhwyx", x, kernel[..., 0])
    products = jnp.pad(products, [(0, 0), (1, 1), (1, 1), (0, 0), (0, 0)])
    height, width = x.shape[1] - 1, x.shape[2] - 1
    parts = [products[:, i : i + height, j : j + width, i, j] for i, j in np.ndindex(4, 4)]
    return sum(parts[1:], parts[0])[..., None]
