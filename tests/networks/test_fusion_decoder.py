"""The decoder against PyTorch, part by part and as a whole."""

import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scripts import TESTS, load_script

from dehaze_jax.networks import ChannelMapper, EfficientNetLite3, MapHead, Refine
from dehaze_jax.networks.fusion_decoder import ResidualUnit, double

LEVELS = (4, 3, 2, 1)
# Of the coarsest scale, which has no skip: in the published tensors, but used nowhere.
UNUSED = "refinenet4.resConfUnit1."


@functools.cache
def twin():
    """The script that wrote the golden arrays."""
    return load_script("twins/nedr_decoder.py")


@functools.cache
def golden():
    with np.load(TESTS / "networks" / "golden" / "nedr_decoder.npz") as arrays:
        return dict(arrays)


class Decoder(nn.Module):
    """The parts, put together as in the depth network."""

    widths: tuple[int, ...]
    head: int

    @nn.compact
    def __call__(self, taps, *, train):
        x = None
        for level in LEVELS:
            mapper = ChannelMapper(self.widths[level - 1], name=f"layer{level}_rn")
            skip = mapper(taps[level - 1], train=train)
            refine = Refine(self.widths[max(level - 2, 0)], name=f"refinenet{level}")
            x = refine(skip, train=train) if x is None else refine(x, skip, train=train)
        return MapHead(self.head, name="output_conv")(x, train=train)


OURS = {
    "resConfUnit1": "unit1",
    "resConfUnit2": "unit2",
    "out_conv": "out",
    "output_conv.1": "output_conv.conv1",
    "output_conv.4": "output_conv.conv2",
    "output_conv.6": "output_conv.conv3",
    "_rn.1": "_rn.conv",
    ".weight": ".kernel",
}


def path(name):
    """Of a published tensor in our parameters."""
    for theirs, ours in OURS.items():
        name = name.replace(theirs, ours)
    return tuple(name.split("."))


def as_tree(tensors):
    tree = {}
    for name, tensor in tensors.items():
        if name.startswith(UNUSED):
            continue
        *parents, last = path(name)
        node = functools.reduce(lambda node, key: node.setdefault(key, {}), parents, tree)
        node[last] = tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor
    return tree


def given(dtype):
    params = jax.tree.map(lambda array: jnp.asarray(array, dtype), as_tree(twin().weights()))
    return params, [jnp.asarray(tap, dtype) for tap in twin().features()]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("train", [False, True])
def test_result_equals_torch(train):
    params, taps = given(jnp.float64)
    apply = functools.partial(Decoder(twin().WIDTHS, twin().HEAD).apply, train=train)
    ours = jax.jit(apply)({"params": params}, taps)
    np.testing.assert_allclose(ours, golden()["out"], rtol=1e-5, atol=1e-7)


@pytest.mark.usefixtures("x64")
def test_gradients_equal_torch():
    params, taps = given(jnp.float64)
    decoder = Decoder(twin().WIDTHS, twin().HEAD)
    cotangents = jnp.asarray(twin().cotangents(), jnp.float64)

    def total(params, taps):
        return jnp.sum(cotangents * decoder.apply({"params": params}, taps, train=True))

    pull = jax.jit(jax.grad(total, argnums=(0, 1)))
    of_params, of_taps = pull(params, taps)
    for level, ours in enumerate(of_taps, 1):
        np.testing.assert_allclose(ours, golden()[f"tap{level}"], rtol=1e-5, atol=1e-6)
    tensors = {name: tensor for name, tensor in golden().items() if "." in name}
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    jax.tree.map(close, of_params, as_tree(tensors))


def test_live_twin():
    torch = pytest.importorskip("torch")
    theirs = twin().solve()
    assert set(theirs) == set(golden())
    for name, array in theirs.items():
        np.testing.assert_allclose(array, golden()[name], rtol=1e-5, atol=1e-6)
    state = twin().model(*twin().PUBLISHED).state_dict()
    assert {n: tuple(t.shape) for n, t in state.items()} == twin().shapes(*twin().PUBLISHED)
    x = torch.from_numpy(twin().features()[0]).movedim(-1, 1)
    doubled = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    ours = double(jnp.asarray(twin().features()[0]))
    np.testing.assert_allclose(ours, doubled.movedim(1, -1), atol=1e-6)


def test_parameters():
    """4,267,217 are published; those of the unit that nothing is given to are not made here."""
    taps, widths, head = twin().PUBLISHED
    published = twin().shapes(taps, widths, head)
    sizes = {name: math.prod(shape) for name, shape in published.items()}
    unused = sum(size for name, size in sizes.items() if name.startswith(UNUSED))
    assert sum(sizes.values()) == 4_267_217
    assert unused == 2 * (9 * 256 + 1) * 256 == 1_180_160

    def count(module, *args):
        shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *args, train=False))
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"]))

    features = [jnp.zeros((1, 16 >> i, 16 >> i, width)) for i, width in enumerate(taps)]
    decoder = count(Decoder(widths, head), features)
    assert decoder == 4_267_217 - unused
    encoder = count(EfficientNetLite3(), jnp.zeros((1, 32, 32, 3)))
    assert encoder + decoder + unused == 10_689_233  # the published depth network


def test_unit_is_the_identity_where_its_convolutions_are_zero():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 4, 5, 3)), jnp.float32)
    shapes = jax.eval_shape(lambda: ResidualUnit().init(jax.random.key(0), x, train=False))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    np.testing.assert_array_equal(ResidualUnit().apply(zeros, x, train=False), x)


@pytest.mark.parametrize("shape", [(1, 1, 1, 2), (2, 3, 5, 2), (1, 8, 2, 3)])
def test_doubling_is_linear_interpolation_of_areas(shape):
    x = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
    batch, height, width, channels = shape
    size = (batch, 2 * height, 2 * width, channels)
    theirs = jax.image.resize(x, size, "linear", antialias=False)
    np.testing.assert_allclose(double(x), theirs, atol=1e-6)


def test_doubling_keeps_the_mean_and_straight_lines():
    ramp = jnp.broadcast_to(jnp.arange(6.0)[None, :, None, None], (1, 6, 4, 1))
    doubled = np.asarray(double(ramp))[0, :, :, 0]
    np.testing.assert_allclose(doubled[1:-1], np.arange(0.25, 5, 0.5)[:, None] * np.ones(8))
    np.testing.assert_allclose(doubled.mean(), 2.5, rtol=1e-6)
