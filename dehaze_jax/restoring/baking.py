"""Restoring a small copy of a picture in full, and the picture by imitation, in one pass."""

import dataclasses
import functools

import jax
import numpy as np

from dehaze_jax.arrays import Image, Params, Tree
from dehaze_jax.flow.baking import BakedLut, bake
from dehaze_jax.methods.config import RestoreOptions
from dehaze_jax.methods.protocol import Method, Rows
from dehaze_jax.metrics.fidelity import psnr
from dehaze_jax.restoring.restorer import Restorer
from dehaze_jax.restoring.strips import restore_whole, summarise_picture

COPY_SIZE = 256
"""Side of the square copy that is restored in full. Chosen on validation pictures."""


def bake_method(method: Method, *, kind: str = "local") -> Method:
    """The same method, but at full size only an imitation of what it does to a small copy.

    Args:
        method: any method.
        kind: see `flow.bake`.

    Returns:
        A method whose context is what `flow.bake` returns. It can be restored with, not trained,
        and finds no maps.
    """

    def summarise(variables: Params, hazy: Image, options: RestoreOptions) -> Tree:
        copy = _square(hazy)
        return _bake(copy, _restore_copy(method, options, variables, copy), kind, None)

    def render(variables: Params, context: Tree, rows: Image, where: Rows) -> Image:
        del variables
        return context(rows, start=where.start, height=where.height, width=where.width)

    return dataclasses.replace(
        method, summarise=summarise, render=render, halo=0, overview=COPY_SIZE, maps=None
    )


def bake_picture(restorer: Restorer, picture: np.ndarray, *, size: int) -> tuple[BakedLut, float]:
    """Learns one table of what a restorer does to the colours of a picture.

    Args:
        restorer: what `load` returns, not baked itself.
        picture: see `Restorer`.
        size: nodes of the table along each axis.

    Returns:
        The table, and its distance from the full solve on the small copy: PSNR in dB.
    """
    take_copy = dataclasses.replace(
        restorer.method, summarise=lambda _, hazy, __: _square(hazy), overview=COPY_SIZE
    )
    copy = summarise_picture(take_copy, None, picture, restorer.options)
    restored = _restore_copy(restorer.method, restorer.options, restorer.variables, copy)
    baked = _bake(copy, restored, "lut", size)
    return baked, float(psnr(baked(copy), restored))


# Programs of their own, so that only the shrinking is compiled anew for another size of picture.
@jax.jit
def _square(hazy):
    return jax.image.resize(hazy, (COPY_SIZE, COPY_SIZE, 3), "linear", antialias=True)


@functools.partial(jax.jit, static_argnames=("method", "options"))
def _restore_copy(method, options, variables, copy):
    return restore_whole(method, variables, copy, options)


@functools.partial(jax.jit, static_argnames=("kind", "size"))
def _bake(copy, restored, kind, size):
    return bake(copy, restored, kind=kind, size=size)
