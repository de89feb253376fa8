"""The KAN-CID block against PyTorch's twin."""

import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax.networks import ChannelKAN, KANLinear

GOLDEN = pathlib.Path(__file__).parent / "golden" / "kan.npz"
RNG = np.random.default_rng(0)


def from_torch(golden, prefix=""):
    """Parameters of the block as ours."""
    params = {"depthwise": {"kernel": golden[f"{prefix}depthwise.weight"].transpose(2, 3, 1, 0)}}
    params["depthwise"]["bias"] = golden[f"{prefix}depthwise.bias"]
    for name in ("kan1", "kan2"):
        layer = {key: golden[f"{prefix}{name}.{key}"] for key in ("base", "scale", "weight")}
        params[name] = {
            "base": layer["base"].T,
            "scale": layer["scale"].T,
            "weight": layer["weight"].transpose(1, 2, 0),
        }
    return jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), params)


def test_equals_torch():
    """With all gradients. In float32, on features that often lie outside the domain."""
    with np.load(GOLDEN) as arrays:
        golden = {k.removeprefix("block/"): arrays[k] for k in arrays if k.startswith("block/")}
    x, cotangents, out, d_x = (
        jnp.asarray(np.moveaxis(golden[name], 1, -1), jnp.float32)
        for name in ("x", "cotangents", "out", "d_x")
    )
    grids = {
        name: {"knots": jnp.asarray(golden[f"{name}.knots"], jnp.float32)}
        for name in ("kan1", "kan2")
    }

    @jax.jit
    def pull(x, params, cotangents):
        block = ChannelKAN(x.shape[-1])
        ours, back = jax.vjp(
            lambda x, params: block.apply({"params": params, "grids": grids}, x), x, params
        )
        return ours, back(cotangents)

    ours, (ours_x, ours_params) = pull(x, from_torch(golden), cotangents)
    np.testing.assert_allclose(ours, out, atol=1e-5)
    np.testing.assert_allclose(ours_x, d_x, atol=5e-5)
    theirs = from_torch(golden, prefix="d_")
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), ours_params, theirs)


@pytest.mark.parametrize(
    ("features", "published", "unused"),
    [
        (32, 24_192, 2_112),
        (64, 93_440, 8_320),
        (128, 367_104, 33_024),
        (256, 1_455_104, 131_584),
    ],
)
def test_parameters(features, published, unused):
    """As many as the published block has, but for the bias and weight that it never uses."""
    given = jax.eval_shape(
        ChannelKAN(features).init, jax.random.key(0), jnp.zeros((1, 4, 4, features))
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(given["params"])) == published - unused
    assert given["grids"]["kan2"]["knots"].shape == (features, 12)


@pytest.mark.parametrize("outside", ["zero", "clamp", "extend"])
def test_options_reach_the_layers(outside):
    seen = []

    def note(run, args, kwargs, context):
        if isinstance(context.module, KANLinear):
            seen.append((context.module.name, context.module.outside))
        return run(*args, **kwargs)

    with nn.intercept_methods(note):
        block = ChannelKAN(3, size=5, outside=outside)
        given = jax.eval_shape(block.init, jax.random.key(0), jnp.zeros((1, 4, 4, 3)))
    assert [entry for entry in seen if entry[1] == outside] == seen
    assert {name for name, _ in seen} == {"kan1", "kan2"}
    assert given["params"]["depthwise"]["kernel"].shape == (5, 5, 1, 3)
