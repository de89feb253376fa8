"""Compiled look-ups: on several devices, their memory, and exported."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from lut_twins import INTERPOLATIONS

from dehaze_jax import lut
from dehaze_jax.lut import lookup

PLATFORMS = ("cpu", "cuda", "tpu")
COLLECTIVES = ("all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter")
TABLE = jax.ShapeDtypeStruct((33, 33, 33, 3), jnp.float32)
IMAGE = jax.ShapeDtypeStruct((2160, 3840, 3), jnp.float32)
IMAGE_BYTES = 2160 * 3840 * 3 * 4


def random(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).uniform(size=shape), jnp.float32)


def pull_table(table, image, cotangent, interpolation):
    """The table's gradient of a look-up."""
    look_up = partial(lut.apply, image=image, interpolation=interpolation)
    return jax.vjp(look_up, table)[1](cotangent)[0]


def pull_image(table, image, cotangent, interpolation):
    """The image's gradient of a look-up."""
    look_up = partial(lut.apply, table, interpolation=interpolation)
    return jax.vjp(look_up, image)[1](cotangent)[0]


@pytest.fixture
def fresh_programs():
    """Nothing traced before is used again, nor after: `_PIECE` is read while tracing."""
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.mark.devices
@pytest.mark.usefixtures("fresh_programs")
@pytest.mark.parametrize(
    ("interpolation", "piece", "tables"),
    [("trilinear", 64, ()), ("trilinear", 64, (8,)), ("tetrahedral", 1 << 16, ())],
)
def test_a_sharded_batch_stays_sharded(interpolation, piece, tables, monkeypatch):
    """The gradient of one table for all devices is added up, and nothing else travels."""
    monkeypatch.setattr(lookup, "_PIECE", piece)
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    spread, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("data",), ()))
    table, image = random(0, *tables, 5, 5, 5, 3), random(1, 8, 6, 5, 3)
    given = jax.device_put(table, spread if tables else whole), jax.device_put(image, spread)

    @jax.jit
    def run(table, image):
        out, pull = jax.vjp(partial(lut.apply, interpolation=interpolation), table, image)
        return out, *pull(jnp.cos(out))

    compiled = run.lower(*given).compile()
    out, d_table, d_image = compiled(*given)
    assert out.sharding.spec == d_image.sharding.spec == PartitionSpec("data")
    used = {kind for kind in COLLECTIVES if kind in compiled.as_text()}
    assert used == (set() if tables else {"all-reduce"})
    assert d_table.sharding.spec == (PartitionSpec("data") if tables else PartitionSpec())
    for ours, alone in zip((out, d_table, d_image), run(table, image), strict=True):
        np.testing.assert_allclose(ours, alone, atol=1e-5)


def scratch(function, *arguments):
    """Memory that the compiled program asks for, beyond its arguments and results, in images."""
    analysis = jax.jit(function).lower(*arguments).compile().memory_analysis()
    return analysis.temp_size_in_bytes / IMAGE_BYTES


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("pull", "images"), [(pull_table, 2.2), (pull_image, 3.5)])
def test_memory_of_a_gradient(interpolation, pull, images):
    gradient = partial(pull, interpolation=interpolation)
    assert scratch(gradient, TABLE, IMAGE, IMAGE) < images


def test_memory_of_an_exported_gradient():
    exported = export.export(jax.jit(partial(pull_table, interpolation="trilinear")))
    assert scratch(exported(TABLE, IMAGE, IMAGE).call, TABLE, IMAGE, IMAGE) < 2.2


def test_memory_of_a_look_up():
    assert scratch(lut.apply, TABLE, IMAGE) < 1


def test_an_exported_look_up():
    """One program for several kinds of device, of images of any height."""
    height = export.symbolic_shape("height")[0]
    table, image = random(0, 5, 5, 5, 3), random(1, 13, 8, 3)
    shape = jax.ShapeDtypeStruct((height, 8, 3), jnp.float32)
    program = export.export(jax.jit(lut.apply), platforms=PLATFORMS)(table, shape)
    np.testing.assert_allclose(program.call(table, image), lut.apply(table, image), atol=1e-6)


@pytest.mark.parametrize(
    ("pull", "interpolation"), [(pull_table, "trilinear"), (pull_image, "tetrahedral")]
)
def test_an_exported_gradient(pull, interpolation):
    arguments = random(0, 5, 5, 5, 3), random(1, 13, 8, 3), random(2, 13, 8, 3)
    gradient = jax.jit(partial(pull, interpolation=interpolation))
    program = export.export(gradient, platforms=PLATFORMS)(*arguments)
    np.testing.assert_allclose(program.call(*arguments), gradient(*arguments), atol=1e-5)
