"""Batch normalisation against its formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from dehaze_jax.networks.normalisation import BatchNorm

RNG = np.random.default_rng(0)
FEATURES = 5
X = 0.3 + 1.7 * RNG.normal(size=(4, 3, 2, FEATURES))
AXES = (0, 1, 2)


def variables():
    """Scale, bias and running statistics that are nothing special."""
    rng = np.random.default_rng(1)
    params = {"scale": rng.uniform(0.5, 2, FEATURES), "bias": rng.normal(size=FEATURES)}
    running = {"mean": rng.normal(size=FEATURES), "var": rng.uniform(0.5, 2, FEATURES)}
    return {"params": params, "batch_stats": running}


def as_arrays(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, float), tree)


def normalise(x, mean, variance, params):
    return (x - mean) / np.sqrt(variance + 1e-5) * params["scale"] + params["bias"]


@jax.jit
def train(given, x):
    return BatchNorm().apply(given, x, train=True, mutable=["batch_stats"])


def test_starts_as_the_plain_normalisation(key):
    """Making the variables does not count as a batch."""
    given = BatchNorm().init(key, jnp.asarray(X, jnp.float32), train=True)
    expected = {
        "params": {"scale": np.ones(FEATURES), "bias": np.zeros(FEATURES)},
        "batch_stats": {"mean": np.zeros(FEATURES), "var": np.ones(FEATURES)},
    }
    jax.tree.map(np.testing.assert_array_equal, given, expected)


@pytest.mark.usefixtures("x64")
def test_training():
    """By the biased variance; the running one is of the unbiased, a tenth of each batch."""
    given = variables()
    restored, changed = train(as_arrays(given), jnp.asarray(X))
    expected = normalise(X, X.mean(AXES), X.var(AXES), given["params"])
    np.testing.assert_allclose(restored, expected, atol=1e-12)

    _, changed = train(as_arrays({**given, **changed}), jnp.asarray(X**2))
    mean, variance = given["batch_stats"]["mean"], given["batch_stats"]["var"]
    for batch in (X, X**2):
        mean = 0.9 * mean + 0.1 * batch.mean(AXES)
        variance = 0.9 * variance + 0.1 * batch.var(AXES, ddof=1)
    np.testing.assert_allclose(changed["batch_stats"]["mean"], mean, atol=1e-12)
    np.testing.assert_allclose(changed["batch_stats"]["var"], variance, atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_after_training():
    """By the running statistics, which stay."""
    given = variables()
    restored, changed = BatchNorm().apply(
        as_arrays(given), jnp.asarray(X), train=False, mutable=["batch_stats"]
    )
    mean, variance = given["batch_stats"]["mean"], given["batch_stats"]["var"]
    expected = normalise(X, mean, variance, given["params"])
    np.testing.assert_allclose(restored, expected, atol=1e-12)
    jax.tree.map(np.testing.assert_array_equal, changed, {"batch_stats": given["batch_stats"]})


def test_a_single_value_becomes_the_bias():
    """Its variance is zero; nothing is divided by the zero beside it."""
    given = as_arrays(variables())
    restored, changed = train(given, jnp.asarray(X[:1, :1, :1], jnp.float32))
    np.testing.assert_allclose(restored[0, 0, 0], given["params"]["bias"], atol=1e-4)
    expected = 0.9 * given["batch_stats"]["var"]
    np.testing.assert_allclose(changed["batch_stats"]["var"], expected, rtol=1e-6)


@pytest.mark.usefixtures("x64")
def test_gradients():
    """Of the input, through the batch's mean and variance too, of scale and of bias."""
    given = variables()
    cotangents = RNG.normal(size=X.shape)

    def total(params, x):
        restored, _ = train({**as_arrays(given), "params": params}, x)
        return jnp.sum(cotangents * restored)

    params, x = jax.jit(jax.grad(total, argnums=(0, 1)))(as_arrays(given["params"]), jnp.asarray(X))
    # The closed form: of the normalised values, without what mean and scale of the batch take out.
    normal = (X - X.mean(AXES)) / np.sqrt(X.var(AXES) + 1e-5)
    projected = cotangents - cotangents.mean(AXES) - normal * (cotangents * normal).mean(AXES)
    slope = given["params"]["scale"] / np.sqrt(X.var(AXES) + 1e-5)
    np.testing.assert_allclose(x, slope * projected, atol=1e-12)
    np.testing.assert_allclose(params["scale"], (cotangents * normal).sum(AXES), atol=1e-12)
    np.testing.assert_allclose(params["bias"], cotangents.sum(AXES), atol=1e-12)


@pytest.mark.devices
@pytest.mark.parametrize("shape", [(4, 1), (2, 2)], ids=["data", "data and space"])
def test_a_batch_over_devices_has_one_mean(shape):
    mesh = Mesh(np.array(jax.devices()[:4]).reshape(shape), ("data", "space"))
    x = jnp.asarray(np.concatenate([X, X + 1], axis=1), jnp.float32)
    given = as_arrays(variables())
    one = train(given, x)
    given = jax.device_put(given, NamedSharding(mesh, PartitionSpec()))
    over = train(given, jax.device_put(x, NamedSharding(mesh, PartitionSpec("data", "space"))))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), over, one)
