"""New grids for KAN layers, and the penalty on their connections."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kan_layers import layer_of
from scipy import interpolate, special, stats

from dehaze_jax.errors import InputError
from dehaze_jax.networks import spline_regularisation, update_grid

RNG = np.random.default_rng(0)
INPUTS = np.concatenate([RNG.normal(size=(300, 1)), RNG.gamma(1.0, 2.0, (300, 1))], axis=1)


@pytest.mark.parametrize("outside", ["zero", "clamp", "extend"])
def test_new_grids_keep_the_function(outside):
    """Of cubic polynomials exactly: they are splines on any grid, where that covers the inputs."""
    layer, given = layer_of(2, 3, spread=4.0, outside=outside)
    nodes = np.asarray(given["grids"]["knots"][0], float)
    cubic = np.polynomial.Polynomial([0.3, -1, 0.2, 0.5])
    # The coefficients of a cubic polynomial by Marsden: its blossom at the inner knots.
    inner = np.stack([nodes[1:9], nodes[2:10], nodes[3:11]])
    pairs = inner[0] * inner[1] + inner[1] * inner[2] + inner[2] * inner[0]
    blossom = [1, inner.sum(0) / 3, pairs / 3, inner.prod(0)]
    weights = sum(c * part for c, part in zip(cubic.coef, blossom, strict=True))
    given["params"]["weight"] = jnp.asarray(np.tile(weights[None, :, None], (2, 1, 3)), jnp.float32)
    x = jnp.asarray(np.clip(INPUTS, -3.9, 3.9), jnp.float32)
    expected = np.einsum("ni,ik->nk", cubic(x), given["params"]["scale"])
    expected += np.einsum("ni,ik->nk", x * special.expit(x), given["params"]["base"])
    np.testing.assert_allclose(layer.apply(given, x), expected, atol=1e-3)
    new = update_grid(given, x, outside=outside)
    assert float(jnp.abs(new["grids"]["knots"] - given["grids"]["knots"]).max()) > 1
    np.testing.assert_allclose(layer.apply(new, x), expected, atol=2e-3)
    for name in ("base", "scale"):
        np.testing.assert_array_equal(new["params"][name], given["params"][name])


def test_new_grids_fit_other_functions_as_well_as_they_can():
    """The least squares of SciPy on the new knots; inputs of any rank."""
    _, given = layer_of(2, 3, spread=2.0)
    x = jnp.asarray(INPUTS, jnp.float32)
    new = update_grid(given, x.reshape(3, 100, 2))
    for channel in range(2):
        # SciPy's splines go on to where all these are zero.
        before, after = (
            interpolate.BSpline(
                np.concatenate([np.arange(-64.0, -60), knots, np.arange(61.0, 65)]), np.eye(16), 3
            )(INPUTS[:, channel])[:, 4:12]
            for knots in (np.asarray(v["grids"]["knots"][channel], float) for v in (given, new))
        )
        target = before @ np.asarray(given["params"]["weight"][channel], float)
        best = after @ np.linalg.lstsq(after, target)[0]
        assert np.abs(best - target).max() > 0.1
        found = after @ np.asarray(new["params"]["weight"][channel], float)
        np.testing.assert_allclose(found, best, atol=1e-3)


@pytest.mark.parametrize(("margin", "uniform"), [(0.01, 0.02), (0.5, 1.0), (0.3, 0.5)])
def test_new_grids_are_where_the_inputs_are(margin, uniform):
    _, given = layer_of(2, 1, intervals=4, order=2)
    x = jnp.asarray(INPUTS[:297], jnp.float32)  # quartiles are inputs
    new = update_grid(given, x, order=2, margin=margin, uniform=uniform)
    knots = np.asarray(new["grids"]["knots"])
    for channel, values in enumerate(INPUTS[:297].T):
        even = np.linspace(values.min() - margin, values.max() + margin, 5)
        ends = uniform * even + (1 - uniform) * np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
        step = even[1] - even[0]
        expected = [*(ends[0] - [2 * step, step]), *ends, *(ends[-1] + [step, 2 * step])]
        np.testing.assert_allclose(knots[channel], expected, rtol=1e-5, atol=1e-5)


def test_inputs_that_are_all_the_same():
    layer, given = layer_of(1, 2)
    x = jnp.full((20, 1), 0.3)
    new = update_grid(given, x)
    assert float(jnp.diff(new["grids"]["knots"][0]).min()) > 0
    np.testing.assert_allclose(layer.apply(new, x), layer.apply(given, x), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 0.0}, "margin: 0.0 is not positive"),
        ({"uniform": 0.0}, "uniform: 0.0 is not over 0 and up to 1"),
        ({"uniform": 1.5}, "uniform: 1.5 is not over 0 and up to 1"),
    ],
)
def test_new_grids_with_numbers_out_of_range(options, message):
    _, given = layer_of(1, 2)
    with pytest.raises(InputError, match=message):
        update_grid(given, jnp.zeros((3, 1)), **options)


penalty = jax.jit(jax.value_and_grad(spline_regularisation))


@pytest.mark.parametrize(("activation", "entropy"), [(1.0, 1.0), (0.5, 0.0), (0.0, 2.0)])
def test_regularisation(activation, entropy):
    weight = RNG.normal(size=(3, 5, 4))
    weight[1, :, 2] = 0
    sizes = np.abs(weight).mean(axis=1)
    expected = activation * sizes.sum() + entropy * stats.entropy(sizes.ravel())
    given = {"weight": jnp.asarray(weight, jnp.float32)}
    options = {"activation": activation, "entropy": entropy}
    value, gradient = penalty(given, **options)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert np.isfinite(gradient["weight"]).all()


def test_regularisation_of_a_layer_of_zeros():
    value, gradient = penalty({"weight": jnp.zeros((3, 5, 4))})
    assert float(value) == 0
    assert np.isfinite(gradient["weight"]).all()
