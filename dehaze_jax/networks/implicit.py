"""Features as a function of a continuous place."""

from typing import Literal, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dehaze_jax.networks.coordinates import encode, pixel_centres

Coordinates: TypeAlias = Literal["absolute", "none"]
Members: TypeAlias = list[tuple[np.ndarray, np.ndarray]]


class LocalImplicitFunction(nn.Module):
    """A small network that says what is at any place, from the features around it.

    For each query it reads 3 x 3 feature pixels, the place of the query in the image and the size
    of a query pixel. Between the centres of feature pixels the answers of the four nearest are
    mixed bilinearly, so that it is continuous.

    Attributes:
        features: channels of the output.
        hidden: widths of the layers before.
        frequencies: octaves of `encode`, at least 1.
        coordinates: "absolute" reads row and column in [-1, 1] and their encoding; "none" zeros
            in their stead, with the same parameters.

    Reference: Chen et al., LIIF (CVPR 2021), with absolute coordinates instead of relative ones.
    """

    features: int
    hidden: tuple[int, ...] = (256, 256, 256)
    frequencies: int = 4
    coordinates: Coordinates = "absolute"

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "b h w c"],
        height: int | None = None,
        width: int | None = None,
        *,
        cell: tuple[float, float] | None = None,
    ) -> Float[Array, "b H W k"]:
        """Answers at the pixel centres of a grid over the same image.

        Args:
            features: any size and number of channels.
            height: rows of the grid; those of the features if not given.
            width: its columns, likewise.
            cell: what the network reads as height and width of a query pixel, in halves of a
                feature pixel; as they are if not given.
        """
        rows, columns, channels = features.shape[1:]
        height, width = height or rows, width or columns
        cell = cell or (2 * rows / height, 2 * columns / width)
        octaves = 4 * self.frequencies
        kernel, bias = _First(self.hidden[0], 9 * channels + octaves + 4, name="layers_0")()
        around, place, size = jnp.split(kernel, (9 * channels, 9 * channels + octaves + 2))
        seen = _convolve(features, around.reshape(channels, 3, 3, -1).transpose(1, 2, 0, 3))
        offset = (jnp.asarray(cell, kernel.dtype) @ size + bias)[None, None]
        if self.coordinates == "absolute":
            offset = offset + self._place_term(place, height, width)

        layers = [
            _dense(width, inputs, f"layers_{number}")
            for number, (inputs, width) in enumerate(
                zip(self.hidden, (*self.hidden[1:], self.features), strict=True), start=1
            )
        ]
        mixed = jnp.zeros((), seen.dtype)
        for row, down in _members(rows, height):
            for column, across in _members(columns, width):
                x = nn.relu(_pick(_pick(seen, row, 1), column, 2) + offset[None])
                for layer in layers[:-1]:
                    x = nn.relu(layer(x))
                weight = (down[:, None] * across)[None, :, :, None]
                mixed = x if np.all(weight == 1) else mixed + x * jnp.asarray(weight, x.dtype)
        # The last layer is linear: the mixture of its answers is its answer to the mixture.
        return layers[-1](mixed)

    def _place_term(self, kernel: Array, height: int, width: int) -> Array:
        """What the coordinates add to the first layer: a term of the row, one of the column."""

        def values(at):
            return jnp.concatenate([at, encode(at, self.frequencies)], -1).astype(kernel.dtype)

        # Values of row and column alternate.
        rows = values(pixel_centres(height, 1)[:, 0])[:, 0::2] @ kernel[0::2]
        columns = values(pixel_centres(1, width)[0])[:, 1::2] @ kernel[1::2]
        return rows[:, None] + columns[None]


class _First(nn.Module):
    """Kernel and bias of the first layer, which is not computed as one product."""

    features: int
    inputs: int

    @nn.compact
    def __call__(self):
        draw = _uniform(self.inputs)
        kernel = self.param("kernel", draw, (self.inputs, self.features))
        return kernel, self.param("bias", draw, (self.features,))


def _dense(features: int, inputs: int, name: str) -> nn.Dense:
    draw = _uniform(inputs)
    return nn.Dense(features, kernel_init=draw, bias_init=draw, name=name)


def _uniform(inputs: int):
    """PyTorch's initial values of a linear layer."""
    bound = inputs**-0.5

    def draw(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw


def _convolve(x, kernel):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)


def _members(size: int, queries: int) -> Members:
    """Nearest pixels before and after each query along one axis, and their weights.

    The one before has the distance to the one after as weight and conversely; a pixel outside is
    replaced by that at the border. A member without any weight is left out.
    """
    # Whole numbers: a query at a centre has no weight on the other member at all.
    place = (2 * np.arange(queries) + 1) * size - queries
    before, beyond = np.divmod(place, 2 * queries)
    after = beyond / (2 * queries)
    members = [(before, 1 - after), (before + 1, after)]
    return [(at.clip(0, size - 1), weight) for at, weight in members if weight.any()]


def _pick(x, at: np.ndarray, axis: int):
    """Pixels `at` along an axis."""
    if np.array_equal(at, np.arange(x.shape[axis])):
        return x
    return jnp.take(x, at, axis=axis)
