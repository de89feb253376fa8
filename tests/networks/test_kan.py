"""KAN layers against PyTorch's twin, in pieces, and over devices."""

import importlib.util
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from kan_layers import layer_of
from scipy import interpolate, stats
from scripts import load_script

from dehaze_jax.networks import KANLinear, kan

# Quick to compile, where splines are not what is tested.
SMALL = {"intervals": 2, "order": 1}
GOLDEN = pathlib.Path(__file__).parent / "golden" / "kan.npz"
ORDERS = {"published": 3, "linear": 1, "grids of channels": 2, "order 4": 4}
RNG = np.random.default_rng(0)


def twin():
    """The script that wrote the golden arrays; needs torch."""
    return load_script("twins/kan.py")


def golden(case):
    with np.load(GOLDEN) as arrays:
        return {
            name.removeprefix(f"{case}/"): arrays[name]
            for name in arrays
            if name.startswith(f"{case}/")
        }


def from_torch(arrays, prefix="", dtype=jnp.float32):
    """Parameters of a layer as ours."""
    base, scale, weight = (arrays[f"{prefix}{name}"] for name in ("base", "scale", "weight"))
    ours = {"base": base.T, "scale": scale.T, "weight": weight.transpose(1, 2, 0)}
    return {name: jnp.asarray(array, dtype) for name, array in ours.items()}


def pull(layer, variables, x, cotangents):
    """The result, and gradients of all variables and of the input."""

    @jax.jit
    def both(variables, x, cotangents):
        out, back = jax.vjp(layer.apply, variables, x)
        return out, *back(cotangents)

    return both(variables, x, cotangents)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("case", "dtype", "tolerance"),
    [*((case, jnp.float32, 1e-5) for case in ORDERS), ("grids of channels", jnp.float64, 1e-12)],
)
def test_equals_torch(case, dtype, tolerance):
    """With all gradients; also inputs beyond all knots, and knots that differ between channels."""
    theirs = golden(case)
    x, cotangents, knots, out, d_x = (
        jnp.asarray(theirs[name], dtype) for name in ("x", "cotangents", "knots", "out", "d_x")
    )
    order = ORDERS[case]
    layer = KANLinear(out.shape[-1], intervals=knots.shape[1] - 1 - 2 * order, order=order)
    variables = {"params": from_torch(theirs, dtype=dtype), "grids": {"knots": knots}}
    ours, gradients, ours_x = pull(layer, variables, x, cotangents)
    np.testing.assert_allclose(ours, out, atol=tolerance)
    np.testing.assert_allclose(ours_x, d_x, atol=5 * tolerance)
    expected = from_torch(theirs, "d_", dtype)
    for name, gradient in gradients["params"].items():
        np.testing.assert_allclose(gradient, expected[name], atol=5 * tolerance)
    np.testing.assert_array_equal(gradients["grids"]["knots"], jnp.zeros_like(knots))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
@pytest.mark.parametrize("case", [*ORDERS, "block"])
def test_golden_arrays_are_what_torch_gives(case):
    expected = golden(case)
    for name, array in twin().solve(case).items():
        np.testing.assert_allclose(array, expected[name.removeprefix(f"{case}/")], atol=1e-12)


def test_initial_values(key):
    """Uniform as published, and splines that are closest to noise at the ends of the intervals."""
    given = jax.jit(KANLinear(96).init)(key, jnp.zeros((1, 64)))
    for name in ("base", "scale"):
        values = np.ravel(given["params"][name])
        assert 0.99 / 8 < np.abs(values).max() <= 1 / 8
        assert stats.kstest(values, stats.uniform(-1 / 8, 2 / 8).cdf).pvalue > 0.01
    knots = np.linspace(-2.2, 2.2, 12)
    np.testing.assert_allclose(given["grids"]["knots"], np.tile(knots, (64, 1)), atol=1e-6)
    basis = interpolate.BSpline(knots, np.eye(8), 3)(np.linspace(-1, 1, 6))
    weight = np.asarray(given["params"]["weight"], float)
    noise = np.einsum("eb,ibk->eik", basis, weight)
    assert 0.0099 < np.abs(noise).max() <= 0.01 + 1e-6
    assert stats.kstest(noise.ravel(), stats.uniform(-0.01, 0.02).cdf).pvalue > 0.01
    shortest = np.linalg.lstsq(basis, noise.reshape(6, -1))[0].reshape(8, 64, 96)
    np.testing.assert_allclose(weight, shortest.swapaxes(0, 1), atol=1e-6)


def test_options_of_the_grid(key):
    layer = KANLinear(2, intervals=3, order=2, domain=(0.0, 6.0))
    given = jax.jit(layer.init)(key, jnp.zeros((1, 4)))
    assert given["params"]["weight"].shape == (4, 5, 2)
    np.testing.assert_allclose(given["grids"]["knots"], [np.arange(-4, 11, 2)] * 4, atol=1e-6)


def beyond(spline, x, outside):
    """A SciPy spline on [-1, 1] as it should go on."""
    nearest = np.clip(x, -1, 1)
    if outside == "zero":
        return spline(x)
    tangent = spline(nearest, 1) * (x - nearest)
    return spline(nearest) + (tangent if outside == "extend" else 0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("outside", ["zero", "clamp", "extend"])
def test_outside_the_domain(outside, order):
    """And its derivative, but where that jumps."""
    layer = KANLinear(1, order=order, outside=outside)
    knots = np.linspace(-1 - order * 0.4, 1 + order * 0.4, 6 + 2 * order)
    weight = RNG.normal(size=5 + order)
    # SciPy's spline goes on to where it is zero.
    wide = np.concatenate([np.arange(-20.0, -15), knots, np.arange(16.0, 21)])
    spline = interpolate.BSpline(wide, np.pad(weight, 5), order)
    x = np.linspace(-6, 6, 60)
    given = {
        "params": {"base": [[0.0]], "scale": [[2.0]], "weight": weight[None, :, None]},
        "grids": {"knots": knots[None]},
    }
    given = {k: {n: jnp.asarray(a) for n, a in v.items()} for k, v in given.items()}
    ours, _, slope = pull(layer, given, jnp.asarray(x[:, None]), jnp.ones((60, 1)))
    np.testing.assert_allclose(ours[:, 0], 2 * beyond(spline, x, outside), atol=1e-10)
    expected = 2 * (beyond(spline, x + 1e-6, outside) - beyond(spline, x - 1e-6, outside)) / 2e-6
    np.testing.assert_allclose(slope[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((2, 3, 7, 4), 48), ((6, 4), 8)],
    ids=["images, padded", "rows"],
)
def test_pieces_equal_the_whole(monkeypatch, shape, size):
    """With all gradients."""
    layer, given = layer_of(4, 3, **SMALL)
    x = jnp.asarray(RNG.normal(size=shape), jnp.float32)
    cotangents = jnp.asarray(RNG.normal(size=(*shape[:-1], 3)), jnp.float32)
    whole = pull(layer, given, x, cotangents)
    monkeypatch.setattr(kan, "_PIECE_CPU", size)
    assert "while" in jax.jit(layer.apply).lower(given, x).as_text()
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        pull(layer, given, x, cotangents),
        whole,
    )


@pytest.mark.parametrize("columns", [1, 2, 5, 12, 13])
@pytest.mark.parametrize("size", [1, 16, 24, 40, 1000])
def test_scan_over_columns(columns, size):
    """Every column is seen once and in order, and columns that were added are zero."""
    x = jnp.asarray(RNG.uniform(1, 2, (2, columns, 4)), jnp.float32)
    y = jnp.asarray(RNG.normal(size=(2, columns, 3)), jnp.float32)
    widest = []

    def body(total, pieces):
        x, y = pieces
        widest.append(x.shape[1])
        return total + jnp.sum(x), x[..., :3] * y

    total, found = kan.scan_columns(body, jnp.zeros(()), x, y, size=size)
    np.testing.assert_allclose(total, x.sum(), rtol=1e-5)
    np.testing.assert_array_equal(found, x[..., :3] * y)
    assert max(widest) <= max(1, math.ceil(size / 8))


@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 3, 2, 2, 4)])
def test_any_rank(shape):
    layer, given = layer_of(4, 3, **SMALL)
    x = jnp.asarray(RNG.normal(size=shape), jnp.float32)
    apply = jax.jit(layer.apply)
    ours = apply(given, x).reshape(-1, 3)
    np.testing.assert_allclose(ours, apply(given, x.reshape(-1, 4)), atol=1e-6)


def test_one_example_after_the_other(monkeypatch):
    """Under vmap, in pieces, with gradients."""
    monkeypatch.setattr(kan, "_PIECE_CPU", 16)
    layer, given = layer_of(2, 3, **SMALL)
    x = jnp.asarray(RNG.normal(size=(2, 4, 4, 2)), jnp.float32)

    def total(params, x):
        return jnp.sum(layer.apply({**given, "params": params}, x) ** 2)

    each = jax.jit(jax.vmap(jax.value_and_grad(total, argnums=(0, 1)), in_axes=(None, 0)))
    values, (params, inputs) = each(given["params"], x)
    whole, (all_params, all_inputs) = jax.jit(jax.value_and_grad(total, argnums=(0, 1)))(
        given["params"], x
    )
    np.testing.assert_allclose(values.sum(), whole, rtol=1e-5)
    np.testing.assert_allclose(inputs, all_inputs, rtol=1e-4, atol=1e-4)
    for name, gradient in all_params.items():
        np.testing.assert_allclose(params[name].sum(0), gradient, rtol=1e-4, atol=1e-4)


def test_never_holds_all_basis_functions():
    """Nor in the gradient: scratch, with copies of arguments and results, is smaller than they."""
    layer = KANLinear(64)
    x = jax.ShapeDtypeStruct((1, 128, 128, 64), jnp.float32)
    given = jax.eval_shape(layer.init, jax.random.key(0), x)

    def run(variables, x):
        out, back = jax.vjp(layer.apply, variables, x)
        return out, back(out)

    scratch = jax.jit(run).lower(given, x).compile().memory_analysis().temp_size_in_bytes
    assert scratch < 0.6 * math.prod(x.shape) * 8 * 4


@pytest.mark.devices
@pytest.mark.parametrize("shape", [(4, 1), (2, 2)], ids=["data", "data and space"])
def test_over_devices(monkeypatch, shape):
    """In pieces as well; no device gathers the features of others."""
    monkeypatch.setattr(kan, "_PIECE_CPU", 128)
    layer, given = layer_of(4, 3, **SMALL)
    x, cotangents = (
        jnp.asarray(RNG.normal(size=(4, 4, 8, channels)), jnp.float32) for channels in (4, 3)
    )
    one = pull(layer, given, x, cotangents)
    mesh = Mesh(np.array(jax.devices()[:4]).reshape(shape), ("data", "space"))
    spread = NamedSharding(mesh, P("data", "space"))
    given = jax.device_put(given, NamedSharding(mesh, P()))
    x, cotangents = jax.device_put((x, cotangents), spread)

    @jax.jit
    def both(variables, x, cotangents):
        out, back = jax.vjp(layer.apply, variables, x)
        return out, *back(cotangents)

    program = both.lower(given, x, cotangents).compile()
    assert "all-gather" not in program.as_text()
    over = program(given, x, cotangents)
    for array in (over[0], over[2]):
        assert array.sharding.is_equivalent_to(spread, 4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), over, one)
