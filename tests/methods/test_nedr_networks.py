"""Sizes and variants of the networks."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nedr import TINY, pictures, variables_of

from dehaze_jax.errors import InputError
from dehaze_jax.methods import PUBLISHED, NedrConfig, NedrObjectiveConfig, OptimiserConfig, build
from dehaze_jax.methods.nedr.config import RELEASED
from dehaze_jax.methods.nedr.networks import Networks, find_airlight, hold
from dehaze_jax.storage.trees import count_parameters

# The authors' count has a residual unit that nothing passes: the first of the deepest level.
UNUSED = 2 * (256 * 256 * 9 + 256)


def counts(config):
    shapes = jax.eval_shape(build(config).init, jax.random.key(0), {})["params"]
    return {name: count_parameters(part) for name, part in shapes.items()}, shapes["scene"]


def test_published_numbers_of_parameters():
    """Section 2 and 3 of what is known of the published networks."""
    found, scene = counts(RELEASED)
    assert found["scene"] == 12_711_474 - UNUSED
    assert found["depth"] == 10_689_233 - UNUSED
    assert found["haze"] == 1_484_483
    assert found["clear_critic"] == found["hazy_critic"] == 2_763_776
    assert count_parameters(scene["encoder"]) == 6_422_016
    decoder = [part for name, part in scene.items() if name.startswith(("map", "refine", "head"))]
    assert sum(map(count_parameters, decoder)) == 4_267_217 - UNUSED
    assert count_parameters(scene["implicit"]) == 218_912


def test_the_paper_s_network_has_the_enhancement_and_a_layer_that_joins():
    released, _ = counts(RELEASED)
    paper, scene = counts(PUBLISHED)
    assert count_parameters(scene["enhance"]) == 1_476_768 - 2 * 4_864
    assert count_parameters(scene["join"]) == 64 * 32 + 32
    assert paper["scene"] == released["scene"] + 1_467_040 + 64 * 32 + 32
    assert {name: paper[name] for name in ("depth", "haze")} == {
        name: released[name] for name in ("depth", "haze")
    }


def test_slim_is_small():
    assert sum(counts(NedrConfig())[0].values()) < 3_000_000


def find_scene(config, variables, hazy, *, train, key=None):
    scene, _ = Networks(config).apply(
        variables,
        hazy,
        train=train,
        method="find_scene",
        mutable=["batch_stats"],
        rngs={"enhance": key} if train else {},
    )
    return scene


LAST_BIAS = "['params']['scene']['head']['conv3']['bias']"
HAZY = jnp.asarray(pictures(0, 1, 32, 32))


def test_released_enhancement_is_random_in_training_and_left_out_else():
    config = dataclasses.replace(TINY, variant="released")
    variables = variables_of(config)
    run = jax.jit(functools.partial(find_scene, config, train=True))
    drawn = [run(variables, HAZY, key=jax.random.key(key)).transmission for key in (0, 0, 1)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.abs(drawn[0] - drawn[2]).max() > 1e-5
    still = jax.make_jaxpr(functools.partial(find_scene, config, train=False))
    assert "random" not in str(still(variables, HAZY, key=jax.random.key(0)))


def test_coordinates_matter_where_they_are_seen():
    blind = dataclasses.replace(TINY, coordinates=False)
    seen, zeros = (
        jax.jit(functools.partial(find_scene, config, train=False))(
            variables_of(TINY), HAZY
        ).transmission
        for config in (TINY, blind)
    )
    assert np.abs(seen - zeros).max() > 1e-4


def test_the_rule_beyond_the_knots_reaches_the_splines():
    variables, found = variables_of(TINY), {}
    # Knots so close that most features lie beyond them.
    variables = {**variables, "grids": jax.tree.map(lambda knots: 0.01 * knots, variables["grids"])}
    for rule in ("zero", "clamp", "extend"):
        config = dataclasses.replace(TINY, outside=rule)
        run = jax.jit(functools.partial(find_scene, config, train=False))
        found[rule] = run(variables, HAZY).transmission
    for one, other in itertools.combinations(found.values(), 2):
        assert np.abs(one - other).max() > 1e-4


def test_held_values_keep_their_gradient():
    values = jnp.asarray([-1.0, 0.2, 0.5, 2.0])
    np.testing.assert_allclose(hold(values, 0.1, 0.9), [0.1, 0.2, 0.5, 0.9], rtol=1e-6)
    slopes = jax.grad(lambda x: jnp.sum(hold(x, 0.1, 0.9) ** 2))(values)
    np.testing.assert_allclose(slopes, 2 * np.asarray([0.1, 0.2, 0.5, 0.9]), rtol=1e-6)


def test_excess_is_what_logits_have_beyond_the_range():
    variables = variables_of(TINY)
    run = jax.jit(functools.partial(find_scene, TINY, train=False))
    scene = run(variables, HAZY)
    inside = np.arctanh(2 * np.asarray(scene.transmission, np.float64) - 1)  # logits
    assert np.abs(inside).max() < np.arctanh(0.9)  # the ends are 0.05 and 0.95
    np.testing.assert_array_equal(scene.excess, 0)
    for shift in (-8.0, 8.0):
        moved = jax.tree_util.tree_map_with_path(
            lambda path, leaf, by=shift: (
                leaf + by if jax.tree_util.keystr(path) == LAST_BIAS else leaf
            ),
            variables,
        )
        beyond = np.abs(inside + shift) - np.arctanh(0.9)
        np.testing.assert_allclose(run(moved, HAZY).excess, np.mean(beyond**2), rtol=1e-4)


def test_airlight_has_no_gradient():
    for kind in ("dark_channel", "maximum"):
        config = dataclasses.replace(TINY, airlight=kind)
        gradient = jax.grad(lambda hazy, c=config: jnp.sum(find_airlight(c, hazy)))(HAZY)
        np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 5),
        ("width", 2),
        ("density", (1.8, 0.6)),
        ("density", (0.0, 1.0)),
        ("depth", (1.0, 1.0)),
        ("transmission", (0.1, 1.0)),
        ("proxy_size", 100),
        ("radius", 0),
        ("epsilon", 0.0),
    ],
)
def test_values_out_of_range_are_refused(field, value):
    with pytest.raises(InputError, match=rf"NedrConfig\.{field}: "):
        NedrConfig(**{field: value})


def test_released_never_sees_coordinates():
    with pytest.raises(InputError, match="coordinates: False has no meaning"):
        NedrConfig(variant="released", coordinates=False)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(NedrObjectiveConfig)])
def test_weights_and_rates_are_not_negative(field):
    value = -1 if field == "halve_at" else -0.1
    with pytest.raises(InputError, match=rf"NedrObjectiveConfig\.{field}: .* must not be negative"):
        NedrObjectiveConfig(**{field: value})


@pytest.mark.parametrize("side", [72, 100])
def test_crops_that_the_networks_cannot_read_are_refused(side):
    method = build(TINY, OptimiserConfig())
    batch = {name: jnp.zeros((1, side, side, 3)) for name in ("hazy", "clear")}
    with pytest.raises(InputError, match=rf"crop_size: {side} is no multiple of 32"):
        method.train_step(method.start(variables_of(TINY)), batch, jax.random.key(0))
