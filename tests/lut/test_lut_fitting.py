"""Fitting against a dense solution of the same objective, and what it promises of its prior."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lut_twins import nodes

from dehaze_jax import lut
from dehaze_jax.lut.fitting import _fit

rng = np.random.default_rng


def colours(seed, count=400, low=0.0, high=1.0):
    return rng(seed).uniform(low, high, (count, 3)).astype(np.float32)


def fit(source, target, **options):
    return np.asarray(lut.fit(source, target, **({"smoothness": 1e-4, "size": 5} | options)))


def trilinear(colour, size):
    """The weights of all nodes for one colour."""
    axes = [np.maximum(0, 1 - np.abs(value * (size - 1) - np.arange(size))) for value in colour]
    return np.einsum("i,j,k->ijk", *axes).ravel()


def tetrahedral(colour, size):
    """The same by walking from the cell's first node to its last, greatest fraction first."""
    place = np.asarray(colour, float) * (size - 1)
    node = np.minimum(place.astype(int), size - 2)
    fraction = place - node
    weights = np.zeros((size,) * 3)
    left = 1.0
    for axis in np.argsort(-fraction):
        weights[tuple(node)] += left - fraction[axis]
        left = fraction[axis]
        node[axis] += 1
    weights[tuple(node)] += left
    return weights.ravel()


def slopes(size, axis):
    """Matrix of all slopes along an axis."""
    number = np.arange(size**3).reshape((size,) * 3)
    low = np.delete(number, -1, axis).ravel()
    high = np.delete(number, 0, axis).ravel()
    matrix = np.zeros((low.size, size**3))
    row = np.arange(low.size)
    matrix[row, low], matrix[row, high] = 1 - size, size - 1
    return matrix


def objective(source, target, weights, size, smoothness, interpolate):
    """What is documented, as a linear least-squares problem for the table less the identity."""
    share = np.sqrt(weights / weights.sum())[:, None]
    rows = [share * np.stack([interpolate(colour, size) for colour in source])]
    values = [share * (target - source)]
    for axis in range(3):
        slope = slopes(size, axis)
        mean = slope.mean(0, keepdims=True)
        rows += [
            np.sqrt(smoothness / len(slope)) * (slope - mean),
            np.sqrt(0.01 * smoothness) * mean,
        ]
        values += [np.zeros((len(slope) + 1, 3))]
    return np.concatenate(rows), np.concatenate(values)


def exact_nodes(size):
    return np.stack(np.indices((size,) * 3), axis=-1) / (size - 1)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("size", "interpolation", "interpolate"),
    [(2, "tetrahedral", tetrahedral), (7, "trilinear", trilinear)],
)
def test_equals_a_dense_solution(size, interpolation, interpolate):
    source = rng(0).uniform(0.1, 0.7, (60, 3))  # leaves cells empty
    target = rng(1).uniform(-0.2, 1.2, (60, 3))
    weights = rng(2).uniform(0, 2, 60)
    ours = fit(
        source,
        target,
        weights=weights,
        size=size,
        smoothness=1e-3,
        interpolation=interpolation,
        tolerance=1e-11,
    )
    assert ours.dtype == np.float64
    matrix, values = objective(source, target, weights, size, 1e-3, interpolate)
    solution = np.linalg.lstsq(matrix, values, rcond=None)[0]
    expected = exact_nodes(size) + solution.reshape((size,) * 3 + (3,))
    np.testing.assert_allclose(ours, expected, atol=1e-8)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5])
def test_stops_at_the_tolerance(tolerance):
    """The residual of the normal equations, scaled to a diagonal of one."""
    source = colours(0, low=0.1, high=0.7)
    target = source**2 + 0.1 * np.sin(5 * source[:, ::-1])
    table = fit(source, target, tolerance=tolerance)
    matrix, values = objective(source, target, np.ones(400), 5, 1e-4, trilinear)
    scaled = matrix / np.linalg.norm(matrix, axis=0)
    solution = (table - exact_nodes(5)).reshape(-1, 3) * np.linalg.norm(matrix, axis=0)[:, None]
    residual, first = scaled.T @ (values - scaled @ solution), scaled.T @ values
    assert np.linalg.norm(residual) < tolerance * np.linalg.norm(first)


def test_finds_a_table_again():
    interpolation, domain = "tetrahedral", ((-1.0, 0.0, 0.5), (1.0, 2.0, 1.5))
    table = jnp.asarray(nodes(6) ** 1.5 + 0.1 * np.sin(5 * nodes(6)[..., ::-1]))
    low, high = np.asarray(domain, np.float32)
    source = jnp.asarray(low + (high - low) * colours(0, 8000)).reshape(80, 100, 3)
    target = lut.apply(table, source, interpolation=interpolation, domain=domain)
    ours = fit(source, target, size=6, smoothness=1e-8, interpolation=interpolation, domain=domain)
    np.testing.assert_allclose(ours, table, atol=1e-3)
    back = lut.apply(jnp.asarray(ours), source, interpolation=interpolation, domain=domain)
    np.testing.assert_allclose(back, target, atol=1e-4)
    lists = tuple(map(list, domain))
    again = fit(source, target, size=6, smoothness=1e-8, interpolation=interpolation, domain=lists)
    np.testing.assert_array_equal(again, ours)


class TestPrior:
    # As many colours and nodes as possible are the same in all tests: each shape is compiled.

    def test_affine_change_is_carried_on(self):
        matrix = np.eye(3) + rng(3).uniform(-0.3, 0.3, (3, 3))
        source = colours(4, low=0.2, high=0.5)
        target = (source @ matrix + 0.1).astype(np.float32)
        ours = fit(source, target, size=9, smoothness=1e-5)
        expected = nodes(9) @ matrix + 0.1
        assert np.abs(nodes(9) - expected).max() > 0.3
        np.testing.assert_allclose(ours, expected, atol=0.05)  # a few per cent, at far corners

    def test_smoothness_takes_the_bend_and_then_the_slope(self):
        source = colours(5)
        target = source**2
        stiff = fit(source, target, smoothness=1.0)
        assert np.abs(np.diff(stiff, 2, axis=0)).max() < 0.01
        assert np.diff(stiff[..., 0], axis=0).min() > 0.2
        ours = fit(source, target, smoothness=1e3) - nodes(5)
        assert np.ptp(ours, axis=(0, 1, 2)).max() < 0.03
        np.testing.assert_allclose(ours.mean((0, 1, 2)), (target - source).mean(0), atol=1e-2)

    def test_grey_picture_keeps_colour_differences(self):
        grey = np.repeat(colours(6)[:, :1], 3, axis=1)
        ours = fit(grey, 0.5 * grey)
        along = np.arange(5)
        ours_grey = ours[along, along, along]
        np.testing.assert_allclose(ours_grey, nodes(5)[along, along, along] / 2, atol=0.01)
        for channel in range(3):
            assert np.diff(ours[..., channel], axis=channel).min() > 0

    @pytest.mark.parametrize("value", [0.0, 0.25, 0.33, 1.0])
    def test_one_colour_moves_all_alike(self, value):
        source = np.full((400, 3), value, np.float32)
        move = np.asarray([0.1, 0.0, -0.2], np.float32)
        ours = fit(source, source + move, smoothness=1e-3)
        moved = (ours - nodes(5)).reshape(-1, 3)
        np.testing.assert_allclose(moved, np.tile(move, (125, 1)), atol=2e-3)

    def test_constant_target(self):
        source = colours(7)
        ours = fit(source, np.full_like(source, 0.4), smoothness=1e-5)
        np.testing.assert_allclose(ours, 0.4, atol=5e-3)

    def test_smoothness_carries_over_to_another_size(self):
        source = colours(8)
        target = np.sqrt(source)
        coarse, fine = (fit(source, target, size=size, smoothness=3e-2) for size in (5, 9))
        other = fit(source, target, size=9, smoothness=12e-2)
        same = np.abs(fine[::2, ::2, ::2] - coarse).max()
        assert 2 * same < np.abs(other - fine).max()

    @pytest.mark.parametrize(("count", "size"), [(0, 2), (400, 5)])
    def test_without_data_is_the_identity(self, count, size):
        source = colours(9, count)
        ours = fit(source, 1 - source, weights=np.zeros(count, np.float32), size=size)
        np.testing.assert_allclose(ours, nodes(size), atol=1e-7)


class TestWeights:
    def test_weight_is_a_number_of_pixels(self):
        source, target = colours(11), colours(12)
        counts = rng(13).multinomial(400, np.full(400, 1 / 400))
        ours = fit(source, target, weights=counts)
        expected = fit(np.repeat(source, counts, axis=0), np.repeat(target, counts, axis=0))
        np.testing.assert_allclose(ours, expected, atol=2e-4)

    def test_number_of_pixels_does_not_count(self):
        source, target = (np.tile(colours(seed, 100), (4, 1)) for seed in (14, 15))
        first = (np.arange(400) < 100).astype(np.float32)
        expected = fit(source, target, weights=first)
        np.testing.assert_allclose(fit(source, target), expected, atol=2e-4)

    def test_more_pixels_than_are_read_at_once(self, monkeypatch):
        source, target = colours(16), colours(17)
        some = np.arange(400) < 103
        expected = fit(source, target, weights=some)
        monkeypatch.setattr("dehaze_jax.lut.fitting._PIXELS_AT_ONCE", 20)
        np.testing.assert_allclose(fit(source[some], target[some]), expected, atol=2e-4)


class TestUse:
    def test_compiled_once_a_shape(self):
        fit(colours(0), colours(1))
        before = _fit._cache_size()
        fit(colours(2), colours(3), smoothness=1e-3, tolerance=1e-5)
        assert _fit._cache_size() == before

    def test_under_jit_what_is_refused_gives_nan(self):
        """The source belongs to the program, and is checked; the rest is traced."""
        source, target = jnp.asarray(colours(18)), colours(19)

        @jax.jit
        def compiled(target, weights, smoothness):
            return lut.fit(source, target, weights=weights, size=5, smoothness=smoothness)

        ones = np.ones(400, np.float32)
        ours = compiled(target, ones, 1e-3)
        np.testing.assert_allclose(ours, fit(source, target, smoothness=1e-3), atol=2e-5)
        faulty = np.where(np.arange(1200).reshape(400, 3) == 10, np.nan, target)
        for arguments in (
            (faulty, ones, 1e-3),
            (target, -ones, 1e-3),
            (target, ones, 0.0),
            (target, ones, np.inf),
        ):
            assert np.isnan(compiled(*arguments)).all()

    def test_under_jit_what_is_not_traced_is_refused(self):
        good = jnp.asarray(colours(18))
        for source, smoothness, message in (
            (good.at[0, 0].set(jnp.nan), 1e-3, "source: not every value is finite"),
            (good, -1e-3, "smoothness has to be positive"),
        ):
            options = {"size": 5, "smoothness": smoothness}
            with pytest.raises(ValueError, match=message):
                jax.jit(partial(lut.fit, source, **options))(colours(19))

    @pytest.mark.usefixtures("x64")
    def test_gradient_with_respect_to_the_target(self):
        source, target, probe = (rng(seed).uniform(size=(60, 3)) for seed in (20, 21, 22))
        shape = jnp.asarray(rng(23).normal(size=(2, 2, 2, 3)))

        def total(target):
            options = {"size": 2, "smoothness": 1e-3, "tolerance": 1e-12}
            return jnp.vdot(shape, lut.fit(source, target, interpolation="tetrahedral", **options))

        both = jax.jit(jax.value_and_grad(total))
        (before, slope), (after, _) = both(jnp.asarray(target)), both(jnp.asarray(target + probe))
        # The fit is linear in its target.
        np.testing.assert_allclose(np.vdot(slope, probe), after - before, rtol=1e-7)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_integers_stand_for_shares_of_their_largest(self, dtype):
        top = np.iinfo(dtype).max
        source, target = ((top * colours(seed)).astype(dtype) for seed in (26, 27))
        floats = [(values / top).astype(np.float32) for values in (source, target)]
        expected = fit(*floats)
        np.testing.assert_allclose(fit(source, target), expected, atol=2e-5)
        np.testing.assert_allclose(fit(source, floats[1]), expected, atol=2e-5)
        np.testing.assert_allclose(fit(floats[0], target), expected, atol=2e-5)

    @pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
    def test_narrow_colours_give_a_float32_table(self, dtype):
        source = jnp.asarray(colours(24), dtype)
        ours = lut.fit(source, source, size=5, smoothness=1e-3)
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, nodes(5), atol=1e-6)


GOOD = colours(25, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": GOOD[:3]}, "differ in shape"),
        ({"source": GOOD[:, :2]}, r"source: colours have three channels, not shape \[4, 2\]"),
        ({"source": GOOD.astype(np.int32)}, "source: colours are floats, uint8 or uint16, not int"),
        ({"target": GOOD > 0.5}, "target: colours are floats, uint8 or uint16, not bool"),
        ({"weights": np.ones(3, np.float32)}, r"weights have shape \(3,\)"),
        ({"weights": -np.ones(4, np.float32)}, "negative"),
        ({"weights": np.full(4, np.inf, np.float32)}, "weights: not every value is finite"),
        ({"source": np.where(GOOD.max() > GOOD, GOOD, np.nan)}, "source: not every"),
        ({"target": np.where(GOOD.max() > GOOD, GOOD, np.inf)}, "target: not every"),
        ({"smoothness": 0.0}, "smoothness has to be positive"),
        ({"smoothness": float("nan")}, "smoothness has to be positive and finite, not nan"),
        ({"smoothness": float("inf")}, "smoothness has to be positive and finite, not inf"),
        ({"smoothness": 1e-60}, "smoothness has to be positive"),
        ({"tolerance": float("inf")}, "tolerance has to be positive and finite, not inf"),
        ({"domain": (1.0, 1.0)}, "the domain from .* is empty"),
        ({"tolerance": -1e-3}, "tolerance has to be positive"),
        ({"size": 1}, "at least 2 nodes"),
    ],
)
def test_refuses(options, message):
    given = {"source": GOOD, "target": GOOD, "size": 3, "smoothness": 1e-3} | options
    with pytest.raises(ValueError, match=message):
        lut.fit(given.pop("source"), given.pop("target"), **given)
