"""What a solve can also do: save states, step each image for itself, measure, compute in less."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import flow

TOLERANCES = {"solver": "tsit5", "rtol": 1e-5, "atol": 1e-5}


def driven(t, x, params):
    return jnp.cos(5 * t) * x


class TestSavedStates:
    @pytest.mark.usefixtures("x64")
    @pytest.mark.parametrize("interval", [(0.2, 1.4), (1.4, 0.2)], ids=["forwards", "backwards"])
    @pytest.mark.parametrize(
        "options", [TOLERANCES, {"num_steps": 40}], ids=["tolerances", "fixed"]
    )
    def test_they_lie_on_the_trajectory(self, interval, options):
        t0, t1 = interval
        times = np.linspace(t0, t1, 7)
        x0 = {"a": jnp.array([0.5, 2.0]), "b": jnp.ones((2, 3))}

        def field(t, x, _):
            return jax.tree.map(lambda leaf: jnp.cos(5 * t) * leaf, x)

        states, _ = flow.integrate(field, x0, t0=t0, t1=t1, save_at=times, **options)
        growth = np.exp((np.sin(5 * times) - np.sin(5 * t0)) / 5)
        np.testing.assert_allclose(states["a"], growth[:, None] * [0.5, 2.0], rtol=1e-4)
        np.testing.assert_allclose(states["b"], growth[:, None, None] * np.ones((2, 3)), rtol=1e-4)

    @pytest.mark.usefixtures("x64")
    def test_ends_of_steps_are_exact(self):
        """They are the ends of shorter solves with the same steps."""
        options = {"num_steps": 3, "grid": np.array([0, 0.2, 0.5, 1])}
        saved, stats = flow.integrate(driven, jnp.ones(2), save_at=np.array([0.2, 0.5]), **options)
        one, _ = flow.integrate(driven, jnp.ones(2), t1=0.2, num_steps=1)
        two, _ = flow.integrate(driven, one, t0=0.2, t1=0.5, num_steps=1)
        np.testing.assert_allclose(saved, [one, two], rtol=1e-14)
        assert (int(stats.steps), int(stats.nfe)) == (3, 12)

    @pytest.mark.parametrize("times", [[0.5, 0.3], [-0.1], [0.5, 1.1], [], [np.nan], 0.5])
    def test_refuses_times_out_of_order(self, times):
        with pytest.raises(ValueError, match=r"from 0\.0 to 1\.0 in order"):
            flow.integrate(driven, jnp.ones(1), save_at=np.array(times))


class TestPerSample:
    """x' = -rate (x - cos t): an easy image and one that needs short steps."""

    start = (np.ones((2, 1, 2)), np.array([1.0, 60.0])[:, None, None] * np.ones((2, 1, 2)))

    @staticmethod
    def relax(t, state, params):
        x, rate = state
        return -rate * (x - params * jnp.cos(t)), jnp.zeros_like(rate)

    def solve(self, scale=1.0, images=slice(None), **options):
        start = jax.tree.map(lambda leaf: jnp.asarray(leaf[images], float), self.start)
        return flow.integrate(self.relax, start, scale, **{**TOLERANCES, **options})

    @pytest.mark.usefixtures("x64")
    def test_each_image_is_solved_as_if_alone(self):
        (x1, _), stats = self.solve(per_sample=True)
        for image in (0, 1):
            (alone, _), alone_stats = self.solve(images=slice(image, image + 1))
            np.testing.assert_allclose(x1[image : image + 1], alone, rtol=1e-12)
            assert [int(value[image]) for value in stats[:-1]] == [*map(int, alone_stats[:-1])]
        assert int(stats.steps[1]) > 3 * int(stats.steps[0])

    @pytest.mark.usefixtures("x64")
    def test_a_batch_shares_its_steps(self):
        """So many that neither image's own would do for the other."""
        _, own = self.solve(per_sample=True)
        _, shared = self.solve()
        assert shared.steps.shape == ()
        assert int(own.steps[0]) < int(shared.steps) <= int(own.steps[1])

    def test_the_velocity_sees_batches_of_one(self):
        shapes = set()

        def velocity(t, x, params):
            shapes.add(x.shape)
            return -x

        x1, _ = flow.integrate(velocity, jnp.ones((3, 2)), per_sample=True)
        assert shapes == {(1, 2)}
        np.testing.assert_allclose(x1, np.full((3, 2), np.exp(-1)), rtol=1e-4)

    def test_fixed_steps_give_the_same_state(self):
        x0, times = jnp.linspace(0, 1, 6).reshape(3, 2), np.array([0.25, 1.0])
        own, stats = flow.integrate(driven, x0, per_sample=True, save_at=times)
        quarter = flow.integrate(driven, x0, num_steps=1, t1=0.25)[0]
        whole = flow.integrate(driven, x0)[0]
        np.testing.assert_allclose(own, [quarter, whole], rtol=1e-6)
        np.testing.assert_array_equal(stats.nfe, [16, 16, 16])

    @pytest.mark.usefixtures("x64")
    @pytest.mark.parametrize("per_sample", [False, True])
    def test_gradient_equals_finite_differences(self, per_sample):
        def total(scale):
            tight = {"rtol": 1e-8, "atol": 1e-8, "max_steps": 256}
            (x1, _), _ = self.solve(scale, per_sample=per_sample, **tight)
            return jnp.sum(x1[0] ** 2) + jnp.sum(x1[1])

        total = jax.jit(total)
        slope = (total(0.7 + 1e-5) - total(0.7 - 1e-5)) / 2e-5
        # Steps are held fixed in the gradient and are not in the difference.
        np.testing.assert_allclose(jax.jit(jax.grad(total))(0.7), slope, rtol=1e-5)

    def test_refuses_leaves_without_common_images(self):
        with pytest.raises(ValueError, match="no common first axis"):
            flow.integrate(lambda t, x, _: x, (jnp.ones(2), jnp.ones((3, 2))), per_sample=True)


class TestStraightness:
    """Two pixels of each image run along speed * t^2, its other five stand still."""

    speed = np.array([0.0, 1.0, 3.0])

    @staticmethod
    def accelerate(t, state, params):
        _, speed = state
        return 2 * t * speed[:, :2], jnp.zeros_like(speed)

    def solve(self, velocity, **options):
        speed = jnp.asarray(self.speed, float)[:, None] * jnp.ones((3, 5))
        return flow.integrate(velocity, (jnp.zeros((3, 2)), speed), **options)

    @pytest.mark.usefixtures("x64")
    @pytest.mark.parametrize("per_sample", [False, True])
    @pytest.mark.parametrize("interval", [(0.5, 2.0), (2.0, 0.5)], ids=["forwards", "backwards"])
    def test_closed_form(self, per_sample, interval):
        """S of t^2 over a length L is L^3 / 3; the quadrature of RK4 is exact for it."""
        t0, t1 = interval
        _, stats = self.solve(
            self.accelerate, t0=t0, t1=t1, straightness=True, per_sample=per_sample
        )
        expected = self.speed**2 * 1.5**3 / 3 * 2 / 7
        np.testing.assert_allclose(stats.straightness, expected, rtol=1e-12, atol=1e-14)

    def test_a_straight_line_has_none(self):
        _, stats = self.solve(
            lambda t, x, _: (x[1][:, :2], jnp.zeros_like(x[1])), straightness=True, num_steps=7
        )
        np.testing.assert_allclose(stats.straightness, np.zeros(3), atol=2e-6)

    def test_it_changes_no_step(self):
        x0 = jnp.linspace(0.5, 1, 6).reshape(3, 2)
        plain, stats = flow.integrate(driven, x0, **TOLERANCES)
        measured, with_it = flow.integrate(driven, x0, straightness=True, **TOLERANCES)
        np.testing.assert_allclose(measured, plain, rtol=1e-6)  # two programs
        assert stats.straightness is None
        assert with_it._replace(straightness=None) == stats
        # x = x0 exp(sin(5 t) / 5) by the trapezoidal rule on many points.
        t = np.linspace(0, 1, 4001)
        path = np.exp(np.sin(5 * t) / 5)
        excess = np.trapezoid((np.cos(5 * t) * path) ** 2, t) - (path[-1] - path[0]) ** 2
        expected = np.mean(np.square(x0), axis=1) * excess
        np.testing.assert_allclose(with_it.straightness, expected, rtol=1e-3)

    def test_needs_an_axis_of_images(self):
        with pytest.raises(ValueError, match="no common first axis"):
            flow.integrate(driven, jnp.asarray(1.0), straightness=True)


class TestComputeDtype:
    def test_the_velocity_alone_computes_in_it(self):
        seen = set()

        def velocity(t, x, params):
            seen.add((t.dtype, x.dtype))
            return jnp.tanh(params * x)

        def cast_by_hand(t, x, params):
            return velocity(t, x.astype(jnp.bfloat16), params).astype(jnp.float32)

        x0, params = jnp.linspace(-1, 1, 8), jnp.bfloat16(0.7)
        x1, _ = flow.integrate(velocity, x0, params, compute_dtype=jnp.bfloat16)
        assert seen == {(jnp.dtype("float32"), jnp.dtype("bfloat16"))}
        assert x1.dtype == jnp.float32
        np.testing.assert_array_equal(x1, flow.integrate(cast_by_hand, x0, params)[0])
        # Parameters are cast too: else their products would be float32 again.
        wide, _ = flow.integrate(velocity, x0, jnp.float32(0.7), compute_dtype=jnp.bfloat16)
        np.testing.assert_array_equal(wide, x1)

    def test_the_state_is_summed_up_in_its_own(self):
        """In bfloat16 each of these steps would be lost."""
        x1, _ = flow.integrate(
            lambda t, x, _: jnp.full_like(x, 0.25),
            jnp.ones(2),
            solver="euler",
            num_steps=512,
            compute_dtype="bfloat16",
        )
        np.testing.assert_allclose(x1, [1.25, 1.25], rtol=1e-5)


class TestCheckSolved:
    def test_says_nothing_of_a_good_solve(self):
        flow.check_solved(flow.integrate(driven, jnp.ones(1))[1])

    def test_says_how_many_steps(self):
        _, stats = flow.integrate(driven, jnp.ones(1), max_steps=3, **TOLERANCES)
        with pytest.raises(RuntimeError, match=r"gave up after 3 steps, [1-3] of them rejected"):
            flow.check_solved(stats)

    def test_names_the_images(self):
        x0 = jnp.asarray([[0.0], [1.0], [0.0], [2.0]])
        _, stats = flow.integrate(driven, x0, max_steps=3, per_sample=True, **TOLERANCES)
        with pytest.raises(RuntimeError, match=r"^images 1, 3 of 4: .* after 3 steps"):
            flow.check_solved(stats)

    def test_a_velocity_that_is_not_finite_uses_up_the_steps(self):
        _, stats = flow.integrate(lambda t, x, _: x / 0.0, jnp.ones(1), max_steps=9, **TOLERANCES)
        with pytest.raises(RuntimeError, match="9 steps, 9 of them rejected"):
            flow.check_solved(stats)


def test_solves_that_differ_in_nothing_are_compiled_once():
    """Options that wrap the velocity are no reason to trace it again."""
    traced = []

    def velocity(t, x, params):
        traced.append(1)
        return -x

    options = {"compute_dtype": jnp.bfloat16, "straightness": True, "grid": "power"}
    flow.integrate(velocity, jnp.ones((2, 2)), **options)
    count = len(traced)
    flow.integrate(velocity, jnp.ones((2, 2)), **options)
    assert len(traced) == count > 0
