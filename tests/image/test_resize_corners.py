"""Resizing from corner to corner against PyTorch's `interpolate`, whole and in strips."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scripts import load_script

from dehaze_jax import image as im

FOLDER = pathlib.Path(__file__).parent


def twin():
    """The script that wrote the golden arrays."""
    return load_script("twins/resize_corners.py")


CASES, KERNELS = twin().CASES, twin().KERNELS


def results(case, kernel):
    with np.load(FOLDER / "golden" / "resize_corners.npz") as golden:
        return [golden[f"{case}/{kernel}/{name}"] for name in ("out", "d_image")]


@functools.partial(jax.jit, static_argnames=("height", "width", "kernel"))
def resize(image, height, width, kernel):
    return im.resize_corners(image, height, width, kernel=kernel)


@functools.partial(jax.jit, static_argnames=("count", "columns", "kernel"))
def resize_rows(image, start, count, height, width, columns, kernel):
    return im.resize_corners_rows(image, start, count, height, width, columns, kernel=kernel)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("case", CASES)
def test_equals_torch(case, kernel):
    """The result and the gradient of the image, also where places of pixels are rounded."""
    image, cotangents = map(jnp.asarray, twin().arguments(case))
    height, width = CASES[case][1]
    resized, pull = jax.vjp(lambda image: resize(image, height, width, kernel), image)
    for ours, theirs in zip((resized, *pull(cotangents)), results(case, kernel), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=4e-6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float64, 2e-6), (jnp.bfloat16, 0.03)])
def test_keeps_the_dtype(dtype, tolerance, kernel):
    """Of an image that is made smaller in one direction and larger in the other."""
    image = jnp.asarray(twin().arguments("mixed")[0], dtype)
    height, width = CASES["mixed"][1]
    whole = resize(image, height, width, kernel)
    rows = resize_rows(image, 0, height, height, width, columns=width, kernel=kernel)
    for ours in (whole, rows):
        assert ours.dtype == dtype
        theirs, _ = results("mixed", kernel)
        np.testing.assert_allclose(ours.astype(jnp.float64), theirs, atol=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_golden_arrays_are_what_torch_gives(case):
    pytest.importorskip("torch")
    theirs = twin().solve(case)
    for kernel in KERNELS:
        for name, golden in zip(("out", "d_image"), results(case, kernel), strict=True):
            np.testing.assert_allclose(theirs[f"{case}/{kernel}/{name}"], golden, atol=4e-6)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("case", ["up", "mixed", "to and from one"])
def test_strips_equal_the_whole(case, kernel):
    """One program for strips of pictures of many sizes, padded on the right to one width."""
    image = jnp.asarray(twin().arguments(case)[0])
    height, width = CASES[case][1]
    whole = resize(image, height, width, kernel)
    parts = [
        resize_rows(image, at, 4, height, width, columns=width + 3, kernel=kernel)
        for at in range(0, height, 4)
    ]
    strips = np.concatenate(parts, axis=-3)[..., :height, :, :]
    np.testing.assert_allclose(strips[..., :width, :], whole, atol=1e-6)
    for added in range(3):
        np.testing.assert_array_equal(strips[..., width + added, :], strips[..., width - 1, :])


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_of_strips_sum_to_that_of_the_whole(kernel):
    image, cotangents = map(jnp.asarray, twin().arguments("up"))
    height, width = CASES["up"][1]
    # The last strip and three columns lie outside the picture.
    cotangents = jnp.pad(cotangents, [(0, 0), (0, -height % 4), (0, 3), (0, 0)])

    @jax.jit
    def pull(image, weights, at):
        def strip(image):
            return im.resize_corners_rows(image, at, 4, height, width, width + 3, kernel=kernel)

        return jax.vjp(strip, image)[1](weights)[0]

    total = sum(np.asarray(pull(image, cotangents[:, at : at + 4], at)) for at in (0, 4, 8, 12))
    np.testing.assert_allclose(total, results("up", kernel)[1], atol=4e-6)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("start", "row"), [(-6, 0), (13, -1), (40, -1)])
def test_rows_outside_repeat_the_nearest(start, row, kernel):
    image = jnp.asarray(twin().arguments("up")[0])
    height, width = CASES["up"][1]
    nearest = resize(image, height, width, kernel)[:, row]
    outside = resize_rows(image, start, 5, height, width, columns=width, kernel=kernel)
    np.testing.assert_allclose(outside, np.stack([nearest] * 5, axis=1), atol=1e-6)


def test_enlarging_bicubically_overshoots_and_bilinearly_does_not():
    step = jnp.asarray([0.0, 0, 1, 1]).reshape(1, 4, 1)
    cubic, linear = (resize(step, 1, 13, kernel)[0, :, 0] for kernel in ("bicubic", "bilinear"))
    # By Keys's formula with a = -0.75: a t (1 - t)^2 at the quarters of the first pixel.
    np.testing.assert_allclose(cubic[1:4], [-0.75 * t**2 * (1 - t) for t in (1 / 4, 1 / 2, 3 / 4)])
    np.testing.assert_allclose(linear, np.interp(np.arange(13) / 4, range(4), [0, 0, 1, 1]))
