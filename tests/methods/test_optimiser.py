"""Schedules, clipping, decay and the moving average, each against its formula."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.methods import OptimiserConfig
from dehaze_jax.methods.optimiser import apply_gradients, make_optimiser, start


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", -1.0),
        ("warmup_steps", -1),
        ("final_fraction", 1.5),
        ("b1", 1.0),
        ("b2", -0.1),
        ("weight_decay", -1.0),
        ("clip_norm", -1.0),
        ("ema_decay", 1.0),
    ],
)
def test_values_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(InputError, match=f"OptimiserConfig.{field}"):
        OptimiserConfig(**{field: value})


PARAMS = {
    "Dense_0": {"kernel": jnp.full((2, 2), 3.0), "bias": jnp.ones(2)},
    "lut": jnp.ones((2, 2)),
}


def moves(config, total_steps, gradients=None, steps=None):
    """How far each step moves the parameters: rate times sign, for constant gradients in Adam."""
    transform = make_optimiser(config, total_steps)
    state = start(PARAMS, transform)
    gradients = gradients or jax.tree.map(jnp.ones_like, PARAMS)
    update = jax.jit(lambda s: apply_gradients(s, gradients, transform, 0.5))
    result = []
    for _ in range(steps or total_steps):
        after = update(state)
        result.append(
            jax.tree.map(lambda a, b: np.asarray(a - b), state.variables, after.variables)
        )
        state = after
    return result, state


def rates(config, total_steps, **options):
    return [float(move["lut"][0, 0]) for move in moves(config, total_steps, **options)[0]]


def test_cosine_after_warm_up():
    config = OptimiserConfig(learning_rate=0.1, warmup_steps=4, final_fraction=0.05)
    step = np.arange(12)
    cosine = 0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * (step - 4) / 8))
    expected = 0.1 * np.where(step < 4, step / 4, cosine)
    np.testing.assert_allclose(rates(config, 12), expected, atol=1e-5)


def test_constant_after_warm_up():
    config = OptimiserConfig(learning_rate=0.1, warmup_steps=4, schedule="constant")
    expected = 0.1 * np.minimum(np.arange(8) / 4, 1)
    np.testing.assert_allclose(rates(config, 8), expected, atol=1e-5)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_no_warm_up_begins_at_the_peak(schedule):
    config = OptimiserConfig(learning_rate=0.1, warmup_steps=0, schedule=schedule)
    assert rates(config, 5, steps=1)[0] == pytest.approx(0.1, abs=1e-5)


@pytest.mark.parametrize("total_steps", [1, 3])
def test_a_training_shorter_than_its_warm_up(total_steps):
    config = OptimiserConfig(learning_rate=0.1, warmup_steps=100)
    warmup = total_steps - 1
    expected = [0.1 * i / warmup if warmup else 0.1 for i in range(total_steps)]
    np.testing.assert_allclose(rates(config, total_steps), expected, atol=1e-5)


def test_weight_decay_is_for_kernels_alone():
    config = OptimiserConfig(learning_rate=0.1, warmup_steps=0, weight_decay=0.01)
    zero = jax.tree.map(jnp.zeros_like, PARAMS)
    (move,), _ = moves(config, 5, gradients=zero, steps=1)
    np.testing.assert_allclose(move["Dense_0"]["kernel"], 0.1 * 0.01 * 3, rtol=1e-4)
    np.testing.assert_array_equal(move["Dense_0"]["bias"], 0)
    np.testing.assert_array_equal(move["lut"], 0)


@pytest.mark.parametrize("clip_norm", [0.0, 0.5])
def test_clipping_of_the_global_norm(clip_norm):
    """Adam hides the scale of a gradient; its first moment shows it."""
    config = OptimiserConfig(warmup_steps=0, clip_norm=clip_norm, b1=0.9)
    gradients = jax.tree.map(lambda leaf: 2 * jnp.ones_like(leaf), PARAMS)
    norm = 2 * np.sqrt(10)
    _, state = moves(config, 5, gradients=gradients, steps=1)
    (moment,) = (s.mu for s in jax.tree.leaves(state.opt_state, is_leaf=is_adam) if is_adam(s))
    factor = clip_norm / norm if clip_norm else 1.0
    np.testing.assert_allclose(moment["lut"], 0.1 * 2 * factor, rtol=1e-5)


def is_adam(node):
    return isinstance(node, optax.ScaleByAdamState)


@pytest.mark.parametrize(("field", "value"), [("b1", 0.5), ("b2", 0.5)])
def test_decays_of_the_moments_matter(field, value):
    def second_move(config):
        transform = make_optimiser(config, 5)
        state = start(PARAMS, transform)
        for scale in (1.0, -0.2):
            gradients = jax.tree.map(lambda leaf, scale=scale: scale * jnp.ones_like(leaf), PARAMS)
            state = apply_gradients(state, gradients, transform, 0.5)
        return float(state.variables["lut"][0, 0])

    plain = second_move(OptimiserConfig(warmup_steps=0, learning_rate=0.1, clip_norm=0.0))
    other = second_move(
        OptimiserConfig(warmup_steps=0, learning_rate=0.1, clip_norm=0.0, **{field: value})
    )
    assert abs(plain - other) > 1e-3


def test_moving_average_is_warmed_up():
    transform = make_optimiser(OptimiserConfig(learning_rate=0.1, warmup_steps=0), 100)
    state = start(PARAMS, transform)
    np.testing.assert_array_equal(state.ema["lut"], state.variables["lut"])
    update = jax.jit(lambda s: apply_gradients(s, PARAMS, transform, 0.25))
    average = np.asarray(state.ema["lut"])
    for n in range(6):
        state = update(state)
        keep = min(0.25, (1 + n) / (10 + n))  # 0.1, 0.18, then 0.25
        average = keep * average + (1 - keep) * np.asarray(state.variables["lut"])
        np.testing.assert_allclose(state.ema["lut"], average, rtol=1e-5)
    assert int(state.step) == 6


OLD = {"norm": {"mean": jnp.full(3, 2.0), "var": jnp.ones(3)}}
DECAYING = OptimiserConfig(learning_rate=0.1, warmup_steps=0, weight_decay=0.01)


class TestCollections:
    """Variables that are flax's collections: only `params` are trained."""

    def steps(self, **options):
        """States before and after each of three steps."""
        transform = make_optimiser(DECAYING, 5)
        state = start({"params": PARAMS, "batch_stats": OLD}, transform)
        update = jax.jit(lambda s, options: apply_gradients(s, PARAMS, transform, 0.5, **options))
        states = [state]
        for number in range(3):
            new = {
                name: jax.tree.map(lambda leaf, n=number: leaf + n + 1, value)
                for name, value in options.items()
            }
            states.append(update(states[-1], new))
        return states

    def test_the_optimiser_has_no_state_of_statistics(self):
        state, *_ = self.steps(statistics={"batch_stats": OLD})
        (adam,) = (s for s in jax.tree.leaves(state.opt_state, is_leaf=is_adam) if is_adam(s))
        assert jax.tree.structure(adam.mu) == jax.tree.structure(PARAMS)
        everything = state.variables["params"], state.variables["batch_stats"]
        assert jax.tree.structure(state.ema) == jax.tree.structure(state.variables)
        jax.tree.map(np.testing.assert_array_equal, everything, (PARAMS, OLD))

    @pytest.mark.parametrize("given", [True, False])
    def test_parameters_move_as_they_do_alone(self, given):
        options = {"statistics": {"batch_stats": OLD}} if given else {}
        with_statistics = self.steps(**options)[-1]
        _, alone = moves(DECAYING, 5, gradients=PARAMS, steps=3)
        for name in ("variables", "ema"):
            ours, theirs = getattr(with_statistics, name)["params"], getattr(alone, name)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), ours, theirs)

    def test_statistics_are_replaced_and_averaged(self):
        states = self.steps(statistics={"batch_stats": OLD})
        average = 2.0
        for n, state in enumerate(states[1:]):
            mean = state.variables["batch_stats"]["norm"]["mean"]
            np.testing.assert_array_equal(mean, 2.0 + n + 1)
            keep = min(0.5, (1 + n) / (10 + n))
            average = keep * average + (1 - keep) * (2.0 + n + 1)
            np.testing.assert_allclose(state.ema["batch_stats"]["norm"]["mean"], average, rtol=1e-6)

    def test_statistics_that_are_not_given_stay(self):
        state = self.steps()[-1]
        for kept in (state.variables, state.ema):
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6),
                kept["batch_stats"],
                OLD,
            )
