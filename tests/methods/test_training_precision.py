"""Training in bfloat16: what is in which type, and where it ends."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr
from tiny_flow import TINY

from dehaze_jax.errors import InputError
from dehaze_jax.haze.scattering import compose
from dehaze_jax.methods import BilateralConfig, NedrConfig, ObjectiveConfig, OptimiserConfig, build

CONFIGS = {
    "dehazeflow": dataclasses.replace(
        TINY,
        backbone="unet",
        lut_count=2,
        objective=ObjectiveConfig(rollout_solver="euler", state_noise=0.1),
    ),
    "slim": BilateralConfig(proxy_size=16, grid_size=4, grid_depth=2, width=8),
    "released": BilateralConfig(
        size="released", proxy_size=16, feature_size=16, grid_size=4, grid_depth=2, width=4
    ),
}
NETWORKS = {
    "dehazeflow": ("UNet_0",),
    "slim": ("UNet_0",),
    "released": ("grid_network", "feature_network"),
}
PRODUCTS = ("dot_general", "conv_general_dilated")
NARROW = jnp.dtype(jnp.bfloat16)


def equations(jaxpr, within=""):
    """All of them with the names of the modules that they are in, also those inside of others."""
    for equation in jaxpr.eqns:
        name = f"{within}/{equation.source_info.name_stack}"
        yield name, equation
        for value in jax.tree.leaves(equation.params, is_leaf=lambda v: isinstance(v, Jaxpr)):
            if isinstance(value, ClosedJaxpr):
                value = value.jaxpr
            if isinstance(value, Jaxpr):
                yield from equations(value, name)


def types(variables):
    return {getattr(variable.aval, "dtype", None) for variable in variables}


def make_method(config, precision):
    optimiser = OptimiserConfig(learning_rate=3e-3, warmup_steps=0, precision=precision)
    return build(config, optimiser, total_steps=100)


@functools.cache
def trace(name, precision):
    """The step as JAX hands it to the compiler, and the shapes of its results."""
    method = make_method(CONFIGS[name], precision)
    pictures = jax.ShapeDtypeStruct((2, 16, 16, 3), jnp.float32)
    batch = {"hazy": pictures, "clear": pictures}
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(lambda key: method.start(method.init(key, batch)), key)
    return jax.make_jaxpr(method.train_step, return_shape=True)(state, batch, key)


@pytest.mark.parametrize("name", CONFIGS)
class TestTypes:
    def test_networks_multiply_in_bfloat16_and_nothing_else_does(self, name):
        jaxpr, _ = trace(name, "bfloat16")
        counts = dict.fromkeys(NETWORKS[name], 0)
        for within, equation in equations(jaxpr.jaxpr):
            if equation.primitive.name in PRODUCTS:
                inside = [network for network in NETWORKS[name] if network in within]
                if inside:
                    assert types(equation.invars) == {NARROW}, within
                    counts[inside[0]] += 1
        assert min(counts.values()) > 10

    def test_look_ups_places_times_and_losses_are_float32(self, name):
        jaxpr, _ = trace(name, "bfloat16")
        part = {"dehazeflow": "HazePurifier", "slim": "backbone", "released": "ReleasedNetwork"}
        seen = set()
        for within, equation in equations(jaxpr.jaxpr):
            kind = equation.primitive.name
            of_network = any(n in within for n in NETWORKS[name])
            if kind in ("sin", "cos", "read_lookup_table", "gather", "scatter-add", "floor"):
                assert of_network or NARROW not in types(equation.invars), within
                seen.add(kind)
            if kind == "convert_element_type" and not of_network:
                # Indices are not made of narrow numbers.
                into = equation.params["new_dtype"]
                assert NARROW not in types(equation.invars) or into == jnp.float32, within
            if NARROW in types(equation.outvars):
                assert part[name] in within, within
        if name == "dehazeflow":
            assert {"sin", "cos", "read_lookup_table"} <= seen

    def test_state_and_scalars_are_float32(self, name):
        _, (state, scalars) = trace(name, "bfloat16")
        leaves = jax.tree.leaves((state, scalars))
        assert {str(leaf.dtype) for leaf in leaves} == {"float32", "int32"}
        assert jax.tree.leaves(state) == jax.tree.leaves(trace(name, "float32")[1][0])

    def test_in_float32_nothing_is_converted(self, name):
        jaxpr, _ = trace(name, "float32")
        assert "bf16" not in str(jaxpr)


def pairs(count):
    """Checks of two colours under haze that grows with the row, always other ones."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        colours = rng.uniform(0, 0.8, (2, 4, 1, 1, 3))
        y, x = np.mgrid[:16, :16] // 4
        clear = np.where(((x + y) % 2)[None, ..., None] > 0, *colours)
        transmission = np.exp(-rng.uniform(0.4, 1.2, (4, 1, 1)) * np.mgrid[:16, :16][0] / 8)
        airlight = rng.uniform(0.8, 0.95, (4, 3))
        clear, transmission, airlight = (
            jnp.asarray(array, jnp.float32) for array in (clear, transmission, airlight)
        )
        yield {"hazy": compose(clear, transmission, airlight), "clear": clear}


MATCHING = ObjectiveConfig(kind="matching")
QUICK = {  # to compile
    "dehazeflow": dataclasses.replace(TINY, objective=MATCHING),
    "slim": dataclasses.replace(CONFIGS["slim"], backbone="tiny_flow:Pointwise"),
}


@pytest.mark.parametrize("name", ["dehazeflow", pytest.param("slim", marks=pytest.mark.slow)])
def test_a_short_training_ends_near_that_in_float32(name):
    ends = {}
    for precision in ("float32", "bfloat16"):
        method = make_method(QUICK[name], precision)
        step = jax.jit(method.train_step)
        state = jax.jit(lambda key, m=method: m.start(m.init(key, {})))(jax.random.key(0))
        losses = []
        for number, batch in enumerate(pairs(60)):
            state, scalars = step(state, batch, jax.random.key(number))
            losses.append(float(scalars["loss"]))
        ends[precision] = np.mean(losses[-10:])
        assert ends[precision] < 0.75 * np.mean(losses[:5])
    assert ends["bfloat16"] != ends["float32"]
    assert ends["bfloat16"] == pytest.approx(ends["float32"], rel=0.05)


def test_nedr_is_refused():
    with pytest.raises(InputError, match=r"OptimiserConfig\.precision: must be float32: splines"):
        build(NedrConfig(), OptimiserConfig(precision="bfloat16"))
    build(NedrConfig(), OptimiserConfig(precision="float32"))
