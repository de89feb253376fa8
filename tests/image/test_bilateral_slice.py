"""Grids whose cells lie in the corners against PyTorch's `grid_sample`, with all gradients."""

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
    return load_script("twins/bilateral_slice.py")


CASES, INPUTS = twin().CASES, twin().INPUTS


def results(case):
    with np.load(FOLDER / "golden" / "bilateral_slice.npz") as golden:
        return {name: golden[f"{case}/{name}"] for name in ("out", *INPUTS)}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", CASES)
def test_grid_sample(case):
    given = {name: jnp.asarray(array, float) for name, array in twin().arguments(case).items()}
    several = CASES[case][2] > 1

    @jax.jit
    def run(inputs, cotangents):
        def slice_apply(grid, image, guides, shares):
            looks, known = (tuple(guides), shares) if several else (guides[0], None)
            return im.slice_apply(grid, image, looks, shares=known, places="corners")

        out, pull = jax.vjp(slice_apply, *inputs)
        return out, *pull(cotangents)

    ours = run(tuple(given[name] for name in INPUTS), given["cotangents"])
    for (name, theirs), mine in zip(results(case).items(), ours, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_golden_arrays_are_what_torch_gives(case):
    pytest.importorskip("torch")
    golden = results(case)
    for name, theirs in twin().solve(case).items():
        np.testing.assert_allclose(theirs, golden[name.removeprefix(f"{case}/")], atol=1e-12)
