"""Time grids: their formulas, and steps that end where they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import flow
from dehaze_jax.errors import InputError

GIVEN = np.array([0, 0.1, 0.25, 0.7, 1])


def test_formulas():
    np.testing.assert_allclose(flow.time_grid("uniform", 4), [0, 0.25, 0.5, 0.75, 1])
    half = np.sqrt(0.5)
    np.testing.assert_allclose(
        flow.time_grid("cosine", 4), [0, (1 - half) / 2, 0.5, (1 + half) / 2, 1]
    )
    np.testing.assert_allclose(flow.time_grid("power", 4), [0, 1 / 16, 1 / 4, 9 / 16, 1])
    np.testing.assert_allclose(
        flow.time_grid("power", 4, exponent=0.5), [0, 0.5, half, np.sqrt(0.75), 1]
    )


@pytest.mark.parametrize("kind", flow.GRIDS)
@pytest.mark.parametrize("num_steps", [1, 2, 33])
def test_every_grid_runs_from_0_to_1(kind, num_steps):
    times = flow.time_grid(kind, num_steps)
    assert times.shape == (num_steps + 1,)
    assert (times[0], times[-1]) == (0, 1)
    assert (np.diff(times) > 0).all()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("grid", ["uniform", "cosine", "power", GIVEN], ids=str)
@pytest.mark.parametrize("interval", [(0.5, 2.0), (2.0, 0.5)], ids=["forwards", "backwards"])
def test_steps_end_where_the_grid_says(grid, interval):
    """Midpoint steps written out; `integrate`, and `scan_stages` looped and unrolled."""
    t0, t1 = interval
    shares = flow.time_grid(grid, 4) if isinstance(grid, str) else grid
    times = t0 + (t1 - t0) * shares
    x0 = np.array([0.3, 1.2])
    x = x0
    for start, size in zip(times[:-1], np.diff(times), strict=True):
        half = x + size / 2 * np.cos(start) * x
        x = x + size * np.cos(start + size / 2) * half

    def field(t, x, _):
        return jnp.cos(t) * x

    options = {"solver": "midpoint", "num_steps": 4, "grid": grid, "t0": t0, "t1": t1}
    solved, stats = flow.integrate(field, jnp.asarray(x0), **options)
    np.testing.assert_allclose(solved, x, rtol=1e-14)
    assert (int(stats.steps), int(stats.nfe)) == (4, 8)
    for unroll in (False, True):
        staged, _ = flow.scan_stages(
            lambda t, x, c: (field(t, x, c), None), jnp.asarray(x0), unroll=unroll, **options
        )
        np.testing.assert_allclose(staged, x, rtol=1e-14)


def test_a_grid_is_counted_where_stages_are_shared():
    """Four steps of seven stages, whose last is the next step's first."""
    _, stats = flow.integrate(lambda t, x, _: -x, jnp.ones(2), solver="tsit5", grid=GIVEN)
    assert (int(stats.steps), int(stats.nfe)) == (4, 25)


@pytest.mark.usefixtures("x64")
def test_gradient_through_a_grid():
    def total(rate):
        end, _ = flow.integrate(lambda t, x, r: -r * t * x, jnp.ones(2), rate, grid="power")
        return jnp.sum(end)

    total = jax.jit(total)
    slope = (total(0.7 + 1e-6) - total(0.7 - 1e-6)) / 2e-6
    np.testing.assert_allclose(jax.jit(jax.grad(total))(0.7), slope, rtol=1e-7)


@pytest.mark.parametrize("solve", [flow.integrate, flow.scan_stages])
class TestRefusals:
    def refuse(self, solve, error, match, **options):
        with pytest.raises(error, match=match):
            solve(lambda t, x, _: x, jnp.ones(1), **options)

    def test_an_unknown_kind(self, solve):
        self.refuse(solve, InputError, "sine: no such grid; there are uniform", grid="sine")

    def test_another_number_of_steps(self, solve):
        self.refuse(solve, ValueError, "3 steps has 4 times", grid=GIVEN, num_steps=3)

    @pytest.mark.parametrize(
        "grid",
        [[0.1, 0.2, 0.3, 0.4, 1], [0, 0.2, 0.3, 0.4, 0.9], [0, 0.5, 0.5, 0.6, 1], [0, np.nan, 1]],
    )
    def test_times_that_do_not_increase_from_0_to_1(self, solve, grid):
        steps = len(grid) - 1
        self.refuse(solve, ValueError, "from 0 to 1", grid=np.array(grid), num_steps=steps)

    def test_no_interval(self, solve):
        self.refuse(solve, ValueError, "no interval", t0=0.5, t1=0.5)
        self.refuse(solve, ValueError, "no interval", t1=np.inf)


def test_refuses_a_grid_and_tolerances():
    with pytest.raises(ValueError, match="not both"):
        flow.integrate(
            lambda t, x, _: x, jnp.ones(1), solver="tsit5", grid="cosine", rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("exponent", [0.0, -1.0, np.nan])
def test_refuses_an_exponent_that_is_not_positive(exponent):
    with pytest.raises(ValueError, match="above 0"):
        flow.time_grid("power", 4, exponent=exponent)
