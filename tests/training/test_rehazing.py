"""Haze on the fly in a batch: shares, known depth, meshes."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from dehaze_jax import haze
from dehaze_jax.haze.config import GammaConfig, HazeConfig, NightConfig
from dehaze_jax.training import MeshConfig, find_collectives, make_mesh
from dehaze_jax.training.mesh import batch_sharding
from dehaze_jax.training.rehazing import rehaze

PLAIN = haze.PRESETS["reside_its"]
ALL = HazeConfig(night=NightConfig(probability=0.5), gamma=GammaConfig(probability=0.5))
COUNT, SIDE = 8, 40
KEY = jax.random.key(3)


def make_batch(**extra):
    rng = np.random.default_rng(0)
    shape = (COUNT, SIDE, SIDE, 3)
    pictures = {"hazy": rng.random(shape, np.float32), "clear": rng.random(shape, np.float32)}
    return {**pictures, "id": np.arange(COUNT, dtype=np.float32), **extra}


@functools.cache
def compiled(config):
    return jax.jit(functools.partial(rehaze, config))


def test_every_example_is_rendered_with_a_haze_of_its_own():
    batch = make_batch()
    ours = compiled(PLAIN)(batch, KEY)
    assert jnp.all(ours["rendered"])
    np.testing.assert_array_equal(ours["clear"], batch["clear"])
    np.testing.assert_array_equal(ours["id"], batch["id"])
    assert {"beta", "airlight", "transmission", "jpeg_quality", "lamps"} <= set(ours)
    assert len(np.unique(ours["beta"])) == COUNT
    assert ours["transmission"].shape == (COUNT, SIDE, SIDE, 1)
    twin = haze.compose(ours["clear"], ours["transmission"][..., 0], ours["airlight"])
    np.testing.assert_allclose(ours["hazy"], twin, atol=1e-6)


def test_clear_pictures_alone_are_enough():
    batch = make_batch()
    ours = compiled(PLAIN)({"clear": batch["clear"]}, KEY)
    np.testing.assert_allclose(ours["hazy"], compiled(PLAIN)(batch, KEY)["hazy"], atol=1e-6)


def test_known_depth_is_used_and_not_handed_on():
    depth = np.random.default_rng(2).uniform(1, 9, (COUNT, SIDE, SIDE, 1)).astype(np.float32)
    ours = compiled(PLAIN)(make_batch(depth=depth), KEY)
    assert "depth" not in ours
    optical = ours["beta"][:, None, None, None] * depth / depth.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(ours["transmission"], np.exp(-optical), rtol=1e-5)


@pytest.mark.parametrize("known", [False, True])
def test_a_share_is_rendered_and_the_others_stay(known):
    extra = {
        "transmission": np.full((COUNT, SIDE, SIDE, 1), 0.25, np.float32),
        "airlight": np.full((COUNT, 3), 0.125, np.float32),
    }
    batch = make_batch(**(extra if known else {}))
    ours = compiled(dataclasses.replace(PLAIN, share=0.5))(batch, KEY)
    whole = compiled(PLAIN)(batch, KEY)
    rendered = np.asarray(ours["rendered"])
    assert 0 < rendered.sum() < COUNT
    # Of the others nothing may be known that is not: then what is known is left out.
    names = ("hazy", "clear", *(extra if known else {}))
    assert ("transmission" in ours) == ("airlight" in ours) == known
    for name in names:
        np.testing.assert_allclose(ours[name][rendered], whole[name][rendered], atol=1e-6)
        np.testing.assert_array_equal(ours[name][~rendered], batch[name][~rendered])
    np.testing.assert_allclose(ours["beta"], whole["beta"], rtol=1e-6)


def test_the_share_is_a_probability():
    config = dataclasses.replace(PLAIN, share=0.3)
    pictures = jnp.zeros((64, 1, 1, 3))
    draw = jax.jit(lambda key: rehaze(config, {"hazy": pictures, "clear": pictures}, key))
    rendered = [draw(jax.random.key(step))["rendered"] for step in range(40)]
    # Four standard deviations of the mean of 2560 draws.
    assert np.mean(rendered) == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 2560))
    assert not np.array_equal(rendered[0], rendered[1])


@pytest.mark.devices
@pytest.mark.parametrize(
    ("config", "side"), [(MeshConfig(space=2), 48), (MeshConfig(data=1, space=4), 40)]
)
def test_devices_change_neither_the_pictures_nor_where_they_lie(config, side):
    clear = np.random.default_rng(0).random((COUNT, side, side, 3), np.float32)
    single = compiled(ALL)({"clear": clear}, KEY)
    mesh = make_mesh(config)
    placed = {"clear": jax.device_put(clear, batch_sharding(mesh, 4))}
    key = jax.device_put(KEY, NamedSharding(mesh, P()))
    program = compiled(ALL).lower(placed, key).compile()
    sharded = program(placed, key)
    for name in ("hazy", "clear", "transmission"):
        assert sharded[name].sharding.is_equivalent_to(batch_sharding(mesh, 4), 4)
        off = np.abs(np.asarray(sharded[name]) - np.asarray(single[name]))
        # A coefficient of the compression may be rounded the other way.
        assert off.max() < 0.1
        assert np.mean(off > 1e-5) < 1e-3
    np.testing.assert_allclose(sharded["beta"], single["beta"], rtol=1e-6)
    # Beside single values, rows at edges cross. A batch is gathered where the rows of a device hold
    # no whole blocks of the compression.
    gathered = []
    for each in find_collectives(program.as_text()):
        most = max(int(np.prod(shape)) for _, shape in each.shapes)
        if each.kind == "all-gather":
            gathered += [shape for _, shape in each.shapes]
        else:
            assert most <= {"all-reduce": 4, "collective-permute": 8 * side}[each.kind] * COUNT
    assert gathered == ([(COUNT, side, side, 3)] if side // config.space % 8 else [])
