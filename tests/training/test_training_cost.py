"""Costs of a method of two layers by hand, on simulated devices, and of all methods against XLA."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import optax
import pytest

from dehaze_jax import methods
from dehaze_jax.data import DataConfig
from dehaze_jax.errors import InputError
from dehaze_jax.haze import HazeConfig
from dehaze_jax.methods import (
    BilateralConfig,
    DehazeFlowConfig,
    Method,
    NedrConfig,
    ObjectiveConfig,
)
from dehaze_jax.methods.optimiser import apply_gradients, start
from dehaze_jax.training import MeshConfig, TrainConfig, count_training_cost, make_mesh
from dehaze_jax.training.cost import BEST, WORST
from dehaze_jax.training.mesh import batch_sharding, replicated, state_shardings
from dehaze_jax.training.step import compile_step, create_state, train_step

C = 32
CONFIG = TrainConfig(data=DataConfig(batch_size=4, crop_size=16))
PIXELS = 4 * 16 * 16
KERNELS = 9 * 3 * C + C * 3


def build(config, optimiser, *, total_steps=1):
    """A convolution and a matrix product."""
    transform = optax.adam(1e-3)

    def init(key, batch):
        return {
            "first": {"kernel": jax.random.normal(key, (3, 3, 3, C))},
            "second": {"kernel": jnp.zeros((C, 3)), "bias": jnp.zeros(3)},
        }

    def loss(variables, batch):
        kernel = variables["first"]["kernel"]
        numbers = ("NHWC", "HWIO", "NHWC")
        features = jax.lax.conv_general_dilated(
            batch["hazy"], kernel, (1, 1), "SAME", dimension_numbers=numbers
        )
        second = variables["second"]
        restored = jnp.tanh(features) @ second["kernel"] + second["bias"].reshape(1, 1, 1, 3)
        return jnp.mean(jnp.square(restored - batch["clear"]))

    def step(state, batch, key):
        value, gradients = jax.value_and_grad(loss)(state.variables, batch)
        return apply_gradients(state, gradients, transform, 0.9), {"loss": value}

    return Method(
        name="two layers",
        init=init,
        start=lambda variables: start(variables, transform),
        train_step=step,
        summarise=lambda variables, hazy, options: {},
        render=lambda variables, context, rows, where: rows,
    )


@pytest.fixture
def two_layers(monkeypatch):
    monkeypatch.setattr(methods, "build", build)


def changed(config=CONFIG, **fields):
    """`data__batch_size=2` is that field of the group."""
    for path, value in fields.items():
        group, _, field = path.partition("__")
        if field:
            value = dataclasses.replace(getattr(config, group), **{field: value})
        config = dataclasses.replace(config, **{group: value})
    return config


def test_costs_by_hand(two_layers):
    cost = count_training_cost(CONFIG, devices=1)
    assert cost.method == "two layers"
    assert cost.parameters == {"first": 9 * 3 * C, "second": C * 3 + 3}
    values = KERNELS + 3
    assert cost.held == {
        "parameters": 4 * values,
        "average": 4 * values,
        "optimiser": 4 * (2 * values + 1),  # two moments and a count
        "batch": 4 * (2 * 3 * PIXELS + 4),  # pictures, and a number for each example
    }
    # The picture itself needs no gradient.
    assert cost.multiplications["convolutions"] == 2 * PIXELS * 9 * 3 * C
    assert cost.multiplications["matrix products"] == 3 * PIXELS * C * 3
    # The features before and after tanh, tanh's slope: at least.
    assert cost.step >= 3 * 4 * PIXELS * C
    assert cost.total == sum(cost.held.values()) + cost.step


@pytest.mark.parametrize(
    ("mesh", "devices", "pictures"),
    [
        (MeshConfig(), 2, 2),
        (MeshConfig(space=2), 2, 2),
        (MeshConfig(data=2, space=2), 4, 4),
        (MeshConfig(data=1), 4, 1),
    ],
)
def test_devices_share_a_batch(two_layers, mesh, devices, pictures):
    whole = count_training_cost(CONFIG, devices=1)
    part = count_training_cost(changed(mesh=mesh), devices=devices)
    picture_bytes = 4 * 2 * 3 * PIXELS
    numbers = part.held["batch"] - picture_bytes // pictures
    assert numbers == 4 * 4 // part.mesh.shape["data"]
    assert part.step == pytest.approx(whole.step / pictures, rel=0.1)
    for name in ("parameters", "average", "optimiser"):
        assert part.held[name] == whole.held[name]
    for kind in ("convolutions", "matrix products"):
        assert part.multiplications[kind] == whole.multiplications[kind]


def test_fsdp_divides_the_large_arrays(two_layers):
    whole = count_training_cost(changed(mesh__fsdp=0), devices=2)
    part = count_training_cost(changed(mesh__fsdp=500), devices=2)
    large = 4 * 9 * 3 * C
    assert part.held["parameters"] == whole.held["parameters"] - large // 2
    assert part.held["average"] == whole.held["average"] - large // 2
    assert part.held["optimiser"] == whole.held["optimiser"] - large
    assert part.held["batch"] == whole.held["batch"]


@pytest.mark.devices
@pytest.mark.parametrize(
    "mesh", [MeshConfig(data=1), MeshConfig(fsdp=90), MeshConfig(space=2, fsdp=90)]
)
def test_real_arrays_and_xla_take_as_much(two_layers, mesh, key):
    config = changed(mesh=mesh)
    cost = count_training_cost(config, devices=4)
    method = build(None, None, total_steps=1)
    real = make_mesh(mesh)
    create = functools.partial(create_state, method, config.data.crop_size)
    where = state_shardings(real, jax.eval_shape(create, key), above=mesh.fsdp)
    state = jax.jit(create, out_shardings=where)(key)
    held = {"parameters": state.variables, "average": state.ema, "optimiser": state.opt_state}
    for name, tree in held.items():
        shards = (leaf.addressable_shards[0].data for leaf in jax.tree.leaves(tree))
        assert cost.held[name] == sum(shard.nbytes for shard in shards)

    pictures = jax.ShapeDtypeStruct((4, 16, 16, 3), jnp.float32, sharding=batch_sharding(real, 4))
    numbers = jax.ShapeDtypeStruct((4,), jnp.int32, sharding=batch_sharding(real, 1))
    step = functools.partial(train_step, method, None)
    root = jax.device_put(key, replicated(real))
    compiled = compile_step(
        step, state, {"hazy": pictures, "clear": pictures, "bad": numbers}, root, real
    )
    found = compiled.memory_analysis()
    # And the number of the step; nothing reads the key.
    assert found.argument_size_in_bytes == sum(cost.held.values()) + 4
    assert 1 / WORST < found.temp_size_in_bytes / cost.step < WORST


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        DehazeFlowConfig(width=8, proxy_size=32, grid_size=4),
        BilateralConfig(width=8, proxy_size=32, grid_size=4),
        NedrConfig(width=8, proxy_size=32),
    ],
    ids=lambda method: method.name,
)
def test_all_methods_against_xla(method, key):
    config = changed(method=method, data__batch_size=2, data__crop_size=64)
    cost = count_training_cost(config, devices=1)
    built = methods.build(config.method, config.optimiser, total_steps=config.steps)
    pictures = jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.float32)
    batch = {"hazy": pictures, "clear": pictures}
    state = jax.eval_shape(lambda: built.start(built.init(jax.random.key(0), batch)))
    step = jax.jit(built.train_step, donate_argnums=0)
    found = step.lower(state, batch, key).compile().memory_analysis()
    # XLA does not tell what a step does not read.
    assert found.argument_size_in_bytes == pytest.approx(sum(cost.held.values()), rel=0.005)
    assert 1 / WORST < found.temp_size_in_bytes / cost.step < WORST


def test_verdicts(two_layers):
    cost = count_training_cost(CONFIG, devices=1)
    held = sum(cost.held.values())
    assert cost.fits(held + math.floor(BEST * cost.step) - 1) is False
    assert cost.fits(held + math.ceil(BEST * cost.step)) is None
    assert cost.fits(held + math.floor(WORST * cost.step) - 1) is None
    assert cost.fits(held + math.ceil(WORST * cost.step)) is True


MATCHING = DehazeFlowConfig(objective=ObjectiveConfig(kind="matching"))
ROWS, REMAT = ("data.crop_size", "mesh.space"), "method.objective.remat"


@pytest.mark.parametrize(
    ("fields", "remedies"),
    [
        ({}, ("data.batch_size", *ROWS, "optimiser.accumulate", REMAT)),
        ({"data__batch_size": 1}, (*ROWS, REMAT)),
        ({"method": BilateralConfig()}, ("data.batch_size", *ROWS, "optimiser.accumulate")),
        ({"method": MATCHING}, ("data.batch_size", *ROWS, "optimiser.accumulate")),
        ({"optimiser__accumulate": 4}, ("data.batch_size", *ROWS, REMAT)),
    ],
)
def test_fields_that_help(two_layers, fields, remedies):
    assert count_training_cost(changed(**fields), devices=1).remedies == remedies


@pytest.mark.parametrize(("devices", "fsdp"), [(2, 0), (2, 1), (1, 0)])
def test_what_is_held_is_divided_where_it_can_be(two_layers, devices, fsdp):
    config = changed(data__batch_size=2, data__crop_size=2, mesh__fsdp=fsdp)
    remedies = count_training_cost(config, devices=devices).remedies
    assert (remedies == ("mesh.fsdp",)) == (devices == 2 and not fsdp)


def test_a_batch_that_has_no_parts_is_no_remedy():
    config = changed(method=BilateralConfig(guides="convolutions"), data__crop_size=64)
    remedies = count_training_cost(config, devices=1).remedies
    assert remedies == ("data.batch_size", "data.crop_size", "mesh.space")


def test_parts_of_a_batch_take_less():
    small = changed(method=DehazeFlowConfig(objective=ObjectiveConfig(kind="matching")))
    whole, parts = (
        count_training_cost(changed(small, data__crop_size=64, optimiser__accumulate=n), devices=1)
        for n in (1, 4)
    )
    assert parts.held == whole.held
    assert parts.step < 0.5 * whole.step
    with pytest.raises(InputError, match=r"optimiser\.accumulate: 3 does not divide the 4"):
        count_training_cost(changed(optimiser__accumulate=3), devices=1)


@pytest.mark.parametrize(
    ("fields", "devices", "reason"),
    [
        ({"data__batch_size": 6}, 4, "batch_size: 6 is not divisible by the 4 devices"),
        ({"mesh__space": 3}, 4, "mesh.space: 3 does not divide 4 devices"),
        ({"mesh__data": 5}, 4, "5 x 1 devices asked for, there are 4"),
        ({"data__clear": ("sun",)}, 1, "DataConfig.train: is empty"),
    ],
)
def test_refusals_are_those_of_training(two_layers, fields, devices, reason):
    with pytest.raises(InputError, match=reason):
        count_training_cost(changed(**fields), devices=devices)


def test_clear_pictures_alone_are_half_a_batch(two_layers):
    pairs = count_training_cost(CONFIG, devices=1)
    fields = {"haze": HazeConfig(), "data__clear": ("sun",)}
    alone = count_training_cost(changed(**fields), devices=1)
    assert alone.held["batch"] == pairs.held["batch"] - 4 * 3 * PIXELS
    assert alone.multiplications["elementwise"] > pairs.multiplications["elementwise"]
