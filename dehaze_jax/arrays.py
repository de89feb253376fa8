"""Array types that the whole package shares.

Images are float, sRGB-encoded, in [0, 1], laid out `[*batch, height, width, channels]`.
"""

from typing import Any, TypeAlias

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

Image: TypeAlias = Float[Array, "*batch height width channels"]
"""Any image; colour images have three channels, R G B."""

Plane: TypeAlias = Float[Array, "*batch height width"]
"""One value a pixel: transmission, depth, luma, a guide."""

PerImage: TypeAlias = Float[Array, "*batch"]
"""One value an image: a score, a time."""

Lut: TypeAlias = Float[Array, "*batch size size size 3"]
"""`lut[r, g, b]` is the output colour of the input colour `(r, g, b) / (size - 1)`."""

Grid: TypeAlias = Float[Array, "*batch rows columns depth coefficients"]
"""A bilateral grid: `coefficients` values at (position, position, guide)."""

Time: TypeAlias = Float[Array, ""] | float
"""Time of the flow: 0 is hazy, 1 is clear."""

Params: TypeAlias = PyTree[Float[Array, "..."]]
Key: TypeAlias = PRNGKeyArray
Tree: TypeAlias = Any
"""A pytree whose leaves the function does not look at."""
