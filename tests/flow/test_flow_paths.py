"""The two paths: both ends, the velocity as a derivative, the scattering model along the way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import flow

SHAPE = (3, 4, 5, 3)


@pytest.fixture
def pair():
    """Transmission and airlight, a clear image, and a hazy one that obeys the scattering model."""
    rng = np.random.default_rng(0)
    clear = rng.uniform(0, 0.8, SHAPE)
    transmission = rng.uniform(0.1, 1, (*SHAPE[:-1], 1))
    airlight = rng.uniform(0.85, 1, (SHAPE[0], 3))
    light = airlight[:, None, None, :]
    hazy = clear * transmission + light * (1 - transmission)
    arrays = {"hazy": hazy, "clear": clear, "transmission": transmission, "airlight": airlight}
    return {name: jnp.asarray(value) for name, value in arrays.items()}


def linear(pair, t):
    return flow.linear_path(pair["hazy"], pair["clear"], t)


def scattering(pair, t):
    return flow.scattering_path(
        pair["hazy"],
        pair["clear"],
        t,
        transmission=pair["transmission"],
        airlight=pair["airlight"],
    )


def unexplained(pair):
    """The pair with something in the hazy image that is not haze."""
    noise = np.random.default_rng(1).normal(0, 0.1, SHAPE)
    return {**pair, "hazy": pair["hazy"] + jnp.asarray(noise, pair["hazy"].dtype)}


@pytest.mark.parametrize("path", [linear, scattering])
def test_both_ends_are_met(path, pair):
    pair = unexplained(pair)
    for time, end in ((0.0, "hazy"), (1.0, "clear")):
        state, _ = path(pair, jnp.full(SHAPE[0], time))
        np.testing.assert_allclose(state, pair[end], atol=2e-7)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("path", [linear, scattering])
def test_velocity_is_the_derivative(path, pair):
    pair = unexplained(pair)
    t = jnp.asarray([0.0, 0.37, 1.0])
    slope = jax.jvp(lambda t: path(pair, t)[0], (t,), (jnp.ones_like(t),))[1]
    np.testing.assert_allclose(path(pair, t)[1], slope, atol=1e-12)


def test_linear_path_is_straight(pair):
    state, velocity = linear(pair, jnp.asarray([0.25, 0.5, 0.75]))
    weights = np.asarray([0.25, 0.5, 0.75])[:, None, None, None]
    expected = (1 - weights) * pair["hazy"] + weights * pair["clear"]
    np.testing.assert_allclose(state, expected, atol=1e-6)
    np.testing.assert_allclose(velocity, pair["clear"] - pair["hazy"])


def test_scattering_path_is_thinner_haze(pair):
    t = np.asarray([0.2, 0.5, 0.9], np.float32)
    state, _ = scattering(pair, jnp.asarray(t))
    thinner = np.asarray(pair["transmission"]) ** (1 - t[:, None, None, None])
    light = np.asarray(pair["airlight"])[:, None, None, :]
    expected = np.asarray(pair["clear"]) * thinner + light * (1 - thinner)
    np.testing.assert_allclose(state, expected, atol=1e-6)


@pytest.mark.parametrize("transmission", [0.0, 1e-6])
def test_opaque_haze_stays_finite(transmission, pair):
    pair = {**pair, "transmission": jnp.full((*SHAPE[:-1], 1), transmission)}
    state, velocity = scattering(pair, jnp.zeros(SHAPE[0]))
    np.testing.assert_allclose(state, pair["hazy"], atol=2e-7)
    # The clamped path: -ln(0.02) bounds how fast its haze thins.
    light, floor = np.asarray(pair["airlight"])[:, None, None, :], 0.02
    direct = np.asarray(pair["clear"]) - light
    residual = np.asarray(pair["hazy"]) - light - direct * floor
    np.testing.assert_allclose(velocity, -np.log(floor) * floor * direct - residual, atol=1e-6)


def test_pair_transmission_recovers_what_was_rendered(pair):
    found = flow.pair_transmission(pair["hazy"], pair["clear"], pair["airlight"], ridge=1e-8)
    np.testing.assert_allclose(found, pair["transmission"], atol=1e-4)


def test_pair_transmission_is_least_squares(pair):
    pair = unexplained(pair)
    found = flow.pair_transmission(pair["hazy"], pair["clear"], pair["airlight"], ridge=0.01)
    hazy, clear = np.asarray(pair["hazy"]), np.asarray(pair["clear"])
    for i, y, x in [(0, 0, 0), (1, 3, 2), (2, 1, 4)]:
        light = np.asarray(pair["airlight"])[i]
        # One more equation, sqrt(ridge) T = sqrt(ridge), draws T towards 1.
        design = np.append(clear[i, y, x] - light, 0.1)
        right = np.append(hazy[i, y, x] - light, 0.1)
        expected = np.linalg.lstsq(design[:, None], right, rcond=None)[0]
        np.testing.assert_allclose(found[i, y, x], np.clip(expected, 0, 1), atol=1e-5)


def test_pair_transmission_is_one_where_nothing_can_be_told(pair):
    light = jnp.broadcast_to(pair["airlight"][:, None, None, :], SHAPE)
    found = flow.pair_transmission(light, light, pair["airlight"])
    np.testing.assert_array_equal(found, 1)
