"""What crosses between devices in a training step and when restoring, by the compiled programs.

Allowed are halos, which are a few rows; the gathering of what the small networks say of a picture
(its grid); and sums: of gradients, of small copies whose rows several devices hold, of scalars. No
array that is gathered or summed is as large as one colour plane of one picture.
"""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from dehaze_jax import methods
from dehaze_jax.data import DataConfig
from dehaze_jax.restoring import strips
from dehaze_jax.training import (
    MeshConfig,
    TrainConfig,
    compile_ahead,
    find_collectives,
    make_mesh,
    plain_step,
)
from dehaze_jax.training.mesh import batch_sharding, replicated
from dehaze_jax.training.step import create_state

pytestmark = pytest.mark.devices

SIDE, BATCH = 128, 4
# Copies of 16 pixels: the deepest level of the U-Net has one row, fewer than there are devices.
SMALL = {"proxy_size": 16, "grid_size": 4, "grid_depth": 2, "width": 4}
FLOW = methods.DehazeFlowConfig(
    **SMALL, lut_size=5, time_features=4, objective=methods.ObjectiveConfig(rollout_solver="euler")
)
SLIM = methods.BilateralConfig(**SMALL)
PUBLISHED = methods.BilateralConfig(
    size="released", proxy_size=16, feature_size=16, grid_size=4, grid_depth=2, width=2
)
ATTENTION = dataclasses.replace(FLOW, backbone="attention")
TRAINED = {
    "dehazeflow": FLOW,
    "dehazeflow, attention": ATTENTION,
    "bilateral": SLIM,
    "bilateral, released": PUBLISHED,
}
MESHES = [
    ("dehazeflow", 2, 2),
    ("dehazeflow, attention", 2, 2),
    ("bilateral", 2, 2),
    ("bilateral", 1, 4),
]
RESTORED = {
    "dehazeflow": FLOW,
    "dehazeflow, attention": ATTENTION,
    "bilateral": SLIM,
    "bilateral, released": PUBLISHED,
    "nedr": methods.NedrConfig(),
}


def pairs():
    random = np.random.default_rng(0)
    clear = random.uniform(0.1, 0.7, (BATCH, SIDE, SIDE, 3)).astype(np.float32)
    hazy = 0.6 * clear + 0.36
    return {"hazy": hazy, "clear": clear, "bad": np.zeros(BATCH, np.int32)}


class Trained:
    """The step of a run as the loop compiles it, and its arguments."""

    def __init__(self, name, data, space):
        config = TrainConfig(
            method=TRAINED[name],
            data=DataConfig(batch_size=BATCH, crop_size=SIDE),
            optimiser=methods.OptimiserConfig(warmup_steps=0),
            mesh=MeshConfig(data=data, space=space),
            steps=10,
        )
        mesh = make_mesh(config.mesh)
        everywhere = replicated(mesh)
        self.compiled = compile_ahead(config)
        self.plain, _ = plain_step(config)
        self.root = jax.device_put(jax.random.key(0), everywhere)
        method = methods.build(config.method, config.optimiser, total_steps=config.steps)
        create = functools.partial(create_state, method, SIDE)
        self.state = jax.jit(create, out_shardings=everywhere)(self.root)
        self.batch = {
            name: jax.device_put(value, batch_sharding(mesh, value.ndim))
            for name, value in pairs().items()
        }


@functools.cache
def make_step(name, data, space):
    return Trained(name, data, space)


@pytest.fixture(scope="module", autouse=True)
def _forget():
    yield
    make_step.cache_clear()


def most(collective):
    """Values in the largest of the arrays that it moves."""
    return max(int(np.prod(shape)) for _, shape in collective.shapes)


@pytest.mark.parametrize(
    ("name", "data", "space"),
    [*MESHES, pytest.param("bilateral, released", 2, 2, marks=pytest.mark.slow)],
)
def test_no_picture_is_gathered_to_train(name, data, space):
    step = make_step(name, data, space)
    found = find_collectives(step.compiled.as_text())
    config, own = TRAINED[name], BATCH // data
    grid = config.grid_size**2 * config.grid_depth * 12
    copy = 3 * config.proxy_size**2
    if config is PUBLISHED:  # shrunk along the rows first; features are gathered too
        grid, copy = max(grid, 3 * config.feature_size**2), 3 * config.proxy_size * SIDE
    parameters = max(leaf.size for leaf in jax.tree.leaves(step.state.variables))
    limits = {
        # Ten rows of restored and clear pictures, for the windows of the SSIM.
        "collective-permute": own * 2 * 3 * 10 * SIDE,
        "all-gather": own * grid,
        "all-reduce": max(parameters, own * grid, own * copy),
    }
    assert max(limits["all-gather"], limits["all-reduce"]) < SIDE**2  # one plane of one picture
    for each in found:
        assert most(each) <= limits[each.kind], each
        # The kernels of depthwise convolutions get their gradient row by row, a few floats each.
        rows = 3 if "DepthwiseConv" in each.source else 1
        assert each.times <= rows, f"in a loop: {each}"
    # Gradients of all parameters are added up, at most once for each evaluation of the network.
    summed = sum(each.bytes for each in found if each.kind == "all-reduce")
    gradients = sum(leaf.nbytes for leaf in jax.tree.leaves(step.state.variables))
    assert gradients < summed < 3 * gradients + 4 * limits["all-reduce"] * 4


@pytest.mark.parametrize(("name", "data", "space"), MESHES)
def test_devices_give_the_state_of_one(name, data, space):
    # The step donates its state.
    (ours, scalars), (theirs, expected) = (
        step.compiled(jax.tree.map(jnp.copy, step.state), step.batch, step.root)
        for step in (make_step(name, data, space), make_step(name, 1, 1))
    )
    for scalar, value in expected.items():
        np.testing.assert_allclose(scalars[scalar], value, rtol=2e-5, atol=1e-7, err_msg=scalar)
    # Adam's first step is nearly the sign of the gradient: its moments show the gradients.
    for a, b in zip(
        jax.tree.leaves(ours.opt_state), jax.tree.leaves(theirs.opt_state), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=2e-6)
    assert float(expected["gradient_norm"]) > 0.01


def instructions(text):
    """Of a program; names count from 0, and what says where they come from is left out."""
    names: dict[str, str] = {}
    found = []
    for line in text.splitlines():
        if not re.match(r"\s*(ROOT |ENTRY )?%", line):
            continue
        line = re.sub(r" \(.*\) -> .*\{$", "", line)  # arguments of a computation
        line = re.sub(r", (metadata|sharding|frontend_attributes)=\{.*?\}(?=, [a-z]|$)", "", line)
        found.append(
            re.sub(r"%[\w.-]+", lambda name: names.setdefault(name.group(), str(len(names))), line)
        )
    return found


@pytest.mark.parametrize("name", ["dehazeflow", "bilateral"])
def test_on_one_device_the_mesh_costs_nothing(name):
    """The program of a mesh of one device is that of no mesh, to the letter."""
    one = make_step(name, 1, 1)
    arguments = jax.device_put((one.state, one.batch, one.root), jax.devices()[0])
    plain = jax.jit(one.plain, donate_argnums=0).lower(*arguments).compile()
    ours, theirs = (instructions(step.as_text()) for step in (one.compiled, plain))
    assert len(ours) > 1000
    assert ours == theirs


@pytest.mark.parametrize("name", RESTORED)
def test_no_picture_is_gathered_to_restore_one(name):
    method = methods.build(RESTORED[name])
    mesh = Mesh(np.asarray(jax.devices()), ("space",))
    by_rows, everywhere = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("space",), ()))
    height, width = 128, 96
    picture = jax.ShapeDtypeStruct((height, width, 3), jnp.uint8, sharding=by_rows)
    hazy = jax.ShapeDtypeStruct((height, width, 3), jnp.float32)
    options = methods.RestoreOptions(num_steps=2)
    variables = jax.eval_shape(method.init, jax.random.key(0), {"hazy": hazy, "clear": hazy})
    context = jax.eval_shape(lambda v, h: method.summarise(v, h, options), variables, hazy)
    variables, context = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=everywhere),
        (variables, context),
    )
    compiled = strips._render_sharded.lower(
        method, variables, context, picture, np.int32(height), by_rows=by_rows
    ).compile()
    # Three colours and up to eight features of the layers behind the grid.
    limits = {"collective-permute": 9 * max(method.halo, 1) * width, "all-reduce": 1}
    for each in find_collectives(compiled.as_text()):
        assert most(each) <= limits[each.kind], each
