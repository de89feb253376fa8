"""A restorer as one program that runs without this package."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import export

from dehaze_jax.errors import InputError
from dehaze_jax.restoring.restorer import Restorer
from dehaze_jax.restoring.strips import restore_pixels

PLATFORMS = ("cpu", "cuda", "tpu")
"""For which a program can be exported; one program may serve all of them."""

_TYPES = ("float32", "uint8", "uint16")


def export_restorer(
    restorer: Restorer,
    *,
    height: int,
    width: int,
    dtype: str = "float32",
    platforms: Sequence[str] = PLATFORMS,
) -> export.Exported:
    """Makes a program of everything that a restorer does to pictures of one size.

    `exported.serialize()` gives bytes, and `jax.export.deserialize(data).call(picture)` restores,
    in a process that need not have this package: only JAX and flatbuffers, which it reads programs
    with. The weights are part of the program. The picture is worked on in one piece, so that large
    ones need more memory than the restorer does.

    Args:
        restorer: what `load` returns.
        height: rows of the pictures.
        width: their columns.
        dtype: of the pictures `[height, width, 3]`: `"float32"` in [0, 1], or `"uint8"` or
            `"uint16"` in full range. The restored picture has the same.
        platforms: of `PLATFORMS`.

    Raises:
        InputError: no such size, dtype or platform.
    """
    if min(height, width) < 1:
        raise InputError("size", f"must be at least 1 x 1, not {height} x {width}")
    if dtype not in _TYPES:
        raise InputError("dtype", f"must be one of {', '.join(_TYPES)}, not {dtype}")
    if not platforms or set(platforms) - set(PLATFORMS):
        raise InputError("platforms", f"must be among {', '.join(PLATFORMS)}")

    def restore(pixels):
        return restore_pixels(restorer.method, restorer.variables, pixels, restorer.options)

    picture = jax.ShapeDtypeStruct((height, width, 3), jnp.dtype(dtype))
    return export.export(jax.jit(restore), platforms=list(platforms))(picture)
