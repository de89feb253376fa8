"""What the rollout computes anew: the same gradients, in less memory."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_flow import TINY, random_params

from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig
from dehaze_jax.methods.dehazeflow.objective import draw, loss

RNG = np.random.default_rng(0)
CLEAR = jnp.asarray(RNG.uniform(0.1, 0.7, (2, 64, 64, 3)), jnp.float32)
BATCH = {"hazy": 0.6 * CLEAR + 0.35, "clear": CLEAR}


@functools.cache
def run(remat):
    """Gradients of a rollout, and bytes that the compiled program takes beside its arguments."""
    objective = ObjectiveConfig(kind="rollout", ssim_weight=0.0, remat=remat)
    # A wide network, so that it shows whether its features are kept.
    config = dataclasses.replace(TINY, width=64, objective=objective)
    drawn = draw(config, BATCH, jax.random.key(0))

    def total(params, batch):
        return loss(config, params, batch, drawn)[0]

    params = random_params(config)
    compiled = jax.jit(jax.grad(total)).lower(params, BATCH).compile()
    return compiled(params, BATCH), compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("remat", ["pixels", "stages"])
def test_gradients_are_the_same(remat):
    ours, theirs = run(remat)[0], run("none")[0]
    for (path, one), other in zip(
        jax.tree.leaves_with_path(ours), jax.tree.leaves(theirs), strict=True
    ):
        scale = np.abs(other).max()
        assert scale > 0
        np.testing.assert_allclose(
            one, other, atol=1e-5 * scale, err_msg=jax.tree_util.keystr(path)
        )


def test_each_takes_less_memory_than_the_one_before():
    none, pixels, stages = (run(remat)[1] for remat in ("none", "pixels", "stages"))
    assert pixels < 0.8 * none
    assert stages < 0.8 * pixels
