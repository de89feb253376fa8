"""The step under `jax.pmap`, for those who come from it."""

import functools
import sys
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import methods
from dehaze_jax.methods.bilateral.method import loss as bilateral_loss
from dehaze_jax.methods.dehazeflow.objective import draw
from dehaze_jax.methods.dehazeflow.objective import loss as flow_loss
from dehaze_jax.methods.optimiser import apply_gradients, make_optimiser
from dehaze_jax.training import MeshConfig, make_mesh
from dehaze_jax.training.mesh import batch_sharding, replicated
from dehaze_jax.training.step import compile_step

pytestmark = pytest.mark.devices

DEVICES, SIDE, STEPS = 4, 32, 2
OPTIMISER = methods.OptimiserConfig(warmup_steps=0)
SMALL = {"proxy_size": 16, "grid_size": 2, "grid_depth": 2, "width": 4, "backbone": "quick:Quick"}
CONFIGS = {
    "dehazeflow": methods.DehazeFlowConfig(
        **SMALL,
        lut_size=3,
        time_features=4,
        # Nothing is drawn: each device would draw for its own examples.
        objective=methods.ObjectiveConfig(kind="rollout", rollout_solver="euler"),
    ),
    "bilateral": methods.BilateralConfig(**SMALL),
}


class Quick(nn.Module):
    """A backbone that compiles quickly."""

    features: int
    width: int

    @nn.compact
    def __call__(self, x, embedding):
        return nn.Dense(self.features)(x) + nn.Dense(self.features)(embedding)[:, None, None, :]


def batches():
    random = np.random.default_rng(0)
    for _ in range(STEPS):
        clear = random.uniform(0.1, 0.7, (2 * DEVICES, SIDE, SIDE, 3)).astype(np.float32)
        yield {"hazy": 0.6 * clear + 0.36, "clear": clear}


def loss_of_variables(config, variables, batch, key):
    if config.name == "bilateral":
        return bilateral_loss(config, variables, batch)[0]
    return flow_loss(config, variables, batch, draw(config, batch, key))[0]


@pytest.mark.parametrize("name", CONFIGS)
def test_pmap_gives_the_parameters_of_the_mesh(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "quick", types.SimpleNamespace(Quick=Quick))
    config = CONFIGS[name]
    method = methods.build(config, OPTIMISER, total_steps=STEPS)
    key = jax.random.key(1)
    shapes = {name: jnp.zeros((1, SIDE, SIDE, 3)) for name in ("hazy", "clear")}
    start = jax.device_get(method.start(method.init(jax.random.key(0), shapes)))

    mesh = make_mesh(MeshConfig(data=DEVICES))
    state, root = jax.device_put((start, key), replicated(mesh))
    compiled = None
    for batch in batches():
        batch = jax.device_put(batch, batch_sharding(mesh, 4))
        compiled = compiled or compile_step(method.train_step, state, batch, root, mesh)
        state, scalars = compiled(state, batch, root)

    transform = make_optimiser(OPTIMISER, STEPS)

    @functools.partial(jax.pmap, axis_name="devices", in_axes=(0, 0, None))
    def step(state, batch, key):
        value, gradients = jax.value_and_grad(
            lambda variables: loss_of_variables(config, variables, batch, key)
        )(state.variables)
        value, gradients = jax.lax.pmean((value, gradients), "devices")
        if config.name == "bilateral":
            gradients = gradients["params"]
        return apply_gradients(state, gradients, transform, OPTIMISER.ema_decay), value

    copies = jax.tree.map(lambda leaf: jnp.stack([leaf] * DEVICES), start)
    for batch in batches():
        own = {name: value.reshape(DEVICES, 2, SIDE, SIDE, 3) for name, value in batch.items()}
        copies, values = step(copies, own, key)

    np.testing.assert_allclose(values, scalars["loss"], rtol=1e-5)
    pairs = zip(jax.tree.leaves_with_path(state), jax.tree.leaves(copies), strict=True)
    for (path, ours), theirs in pairs:
        label = jax.tree_util.keystr(path)
        for copy in theirs:
            np.testing.assert_allclose(copy, ours, atol=2e-6, err_msg=label)
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), state.variables, start.variables)
    assert np.median(jax.tree.leaves(moved)) > 5e-5
