import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import InputError, haze


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    clear = jnp.asarray(rng.random((2, 5, 4, 3)), jnp.float32)
    depth = jnp.asarray(rng.uniform(0.1, 1.5, (2, 5, 4)), jnp.float32)
    return clear, depth


def _twin(clear, depth, beta, airlight):
    out = np.empty(clear.shape)
    for index in np.ndindex(*clear.shape):
        pixel, image, channel = index[:-1], index[0], index[-1]
        per_pixel = beta if np.ndim(beta) == 3 else np.reshape(beta, (-1, 1, 1))
        b = np.broadcast_to(per_pixel, depth.shape)
        a = np.broadcast_to(np.asarray(airlight), (2, 3))[image, channel]
        t = np.exp(-b[pixel] * float(depth[pixel]))
        out[index] = float(clear[index]) * t + a * (1 - t)
    return out


@pytest.mark.parametrize("beta", ["scalar", "image", "pixel"])
@pytest.mark.parametrize("airlight", [0.8, [0.7, 0.8, 0.9], [[0.7, 0.8, 0.9], [0.9, 0.8, 0.6]]])
def test_render_equals_a_loop_over_pixels(scene, beta, airlight):
    clear, depth = scene
    rng = np.random.default_rng(1)
    beta = {"scalar": 1.3, "image": np.array([0.5, 2.0]), "pixel": rng.random((2, 5, 4))}[beta]
    ours = jax.jit(haze.render)(
        clear,
        depth,
        beta=jnp.asarray(beta, jnp.float32) if np.ndim(beta) else beta,
        airlight=jnp.asarray(airlight) if np.ndim(airlight) else airlight,
    )
    np.testing.assert_allclose(ours, _twin(clear, depth, beta, airlight), atol=1e-6)


def test_limits(scene):
    clear, depth = scene
    np.testing.assert_allclose(haze.render(clear, depth, beta=0.0, airlight=0.9), clear, atol=1e-6)
    thick = haze.render(clear, depth, beta=500.0, airlight=0.9)
    np.testing.assert_allclose(thick, 0.9, atol=1e-6)


def test_linear_light(scene, x64):
    clear, depth = (x.astype(jnp.float64) for x in scene)

    def decode(x):
        return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)

    def encode(x):
        return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)

    ours = haze.render(clear, depth, beta=1.0, airlight=0.8, linear_light=True)
    twin = encode(_twin(decode(np.asarray(clear)), np.asarray(depth), 1.0, decode(0.8)))
    np.testing.assert_allclose(ours, twin, atol=1e-5)


def test_beta_of_a_wrong_shape_is_refused(scene):
    clear, depth = scene
    with pytest.raises(InputError, match=r"beta: has shape \(3,\), which does not fit"):
        haze.render(clear, depth, beta=jnp.ones(3), airlight=0.8)


def test_invert_undoes_compose(scene):
    clear, depth = scene
    t = haze.transmission(depth, beta=1.5)
    airlight = jnp.asarray([[0.7, 0.8, 0.9], [0.9, 0.8, 0.6]])
    hazy = haze.compose(clear, t, airlight)
    np.testing.assert_allclose(haze.invert(hazy, t, airlight), clear, atol=1e-5)
    floored = haze.invert(hazy, t, airlight, min_transmission=1.0)
    np.testing.assert_allclose(floored, hazy, atol=1e-6)
