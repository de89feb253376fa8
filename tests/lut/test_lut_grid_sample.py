"""Trilinear look-up and its gradients against PyTorch's `grid_sample`."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scripts import load_script

from dehaze_jax import lut

FOLDER = pathlib.Path(__file__).parent


def twin():
    """The script that wrote the golden arrays."""
    return load_script("twins/lut_grid_sample.py")


SIZES = twin().SIZES


def results(size):
    with np.load(FOLDER / "golden" / "grid_sample.npz") as golden:
        return [golden[f"{name}_{size}"] for name in ("out", "d_tables", "d_images")]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_grid_sample(size, dtype):
    tables, images, cotangents = (jnp.asarray(a, dtype) for a in twin().arguments(size))

    @jax.jit
    def run(tables, images):
        out, pull = jax.vjp(lut.apply, tables, images)
        return out, *pull(cotangents)

    for ours, theirs in zip(run(tables, images), results(size), strict=True):
        tolerance = 1e-12 if dtype == np.float64 else 1e-4
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("size", SIZES)
def test_golden_arrays_are_what_torch_gives(size):
    pytest.importorskip("torch")
    for theirs, golden in zip(twin().solve(size).values(), results(size), strict=True):
        np.testing.assert_allclose(theirs, golden, rtol=1e-12, atol=1e-12)
