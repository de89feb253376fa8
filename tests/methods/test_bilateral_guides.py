"""Guides: curves against their closed form, convolutions against strips and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from dehaze_jax.methods.bilateral.guides import Guides

RNG = np.random.default_rng(0)
IMAGE = RNG.uniform(-0.1, 1.1, (2, 12, 9, 3)).astype(np.float32)
KNOTS = np.arange(17) / 16


def planes(image):
    red, green, blue = (jnp.asarray(image[..., channel]) for channel in range(3))
    return red, green, blue


def random_like(tree):
    """Slopes, norms and kernels that are nothing special."""
    rng = np.random.default_rng(1)

    def draw(path, leaf):
        positive = path[-1].key in ("scale", "var", "negative_slope")
        values = rng.uniform(0.4, 1.2, leaf.shape) if positive else rng.normal(size=leaf.shape) / 2
        return jnp.asarray(values, leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, tree)


class TestCurves:
    network = Guides("curves")

    def start(self):
        return self.network.init(jax.random.key(0), planes(IMAGE))

    def apply(self, image, **params):
        """With some parameters of new guides replaced."""
        curves = self.start()["params"]["curves"]
        params = {name: jnp.asarray(value, jnp.float32) for name, value in params.items()}
        given = {"params": {"curves": {**curves, **params}}}
        return np.stack(self.network.apply(given, planes(image)), axis=-1)

    def test_start_as_the_colours(self):
        np.testing.assert_allclose(self.apply(IMAGE), IMAGE, atol=1e-6)

    def test_mixtures_of_colours_and_of_the_smallest_and_largest(self):
        mixture, offset = RNG.normal(size=(3, 5)), RNG.normal(size=3)
        seen = [*np.moveaxis(IMAGE, -1, 0), IMAGE.min(-1), IMAGE.max(-1)]
        expected = np.einsum("gk,kbhw->bhwg", mixture, seen) + offset
        ours = self.apply(IMAGE, mixture=mixture, offset=offset)
        np.testing.assert_allclose(ours, expected, atol=1e-5)

    def test_slopes_add_up_from_knot_to_knot(self):
        """Each of 16 slopes is a change of the slope, at a sixteenth of the range from the last."""
        slopes = RNG.normal(size=(3, 16))
        ours = self.apply(IMAGE, slopes=slopes)
        steps = np.cumsum(slopes, axis=1) / 16
        for guide in range(3):
            x = IMAGE[..., guide]
            at_knots = np.concatenate([[0], np.cumsum(steps[guide])])
            expected = np.interp(x, KNOTS, at_knots)
            expected += np.minimum(x, 0) * slopes[guide, 0]
            expected += np.maximum(x - 1, 0) * slopes[guide].sum()
            np.testing.assert_allclose(ours[..., guide], expected, atol=2e-6)

    @pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5)])
    def test_planes_of_any_shape(self, shape):
        """Runs of columns, as the real-time network cuts them."""
        image = RNG.uniform(size=(*shape, 3)).astype(np.float32)
        mixture, slopes = RNG.normal(size=(3, 5)), RNG.normal(size=(3, 16))
        ours = self.apply(image, mixture=mixture, slopes=slopes)
        flat = self.apply(image.reshape(1, 1, -1, 3), mixture=mixture, slopes=slopes)
        np.testing.assert_allclose(ours, flat.reshape(image.shape), atol=1e-6)

    def test_need_no_rows_around(self):
        assert self.network.halo == 0


CONVOLUTIONS = Guides("convolutions")


@pytest.fixture(scope="module")
def given():
    return random_like(jax.eval_shape(CONVOLUTIONS.init, jax.random.key(0), planes(IMAGE)))


@jax.jit
def convolutions(given, image, inside=None):
    return jnp.stack(CONVOLUTIONS.apply(given, planes(image), inside=inside), axis=-1)


@pytest.fixture(scope="module")
def whole(given):
    return np.asarray(convolutions(given, IMAGE))


class TestConvolutions:
    def test_each_is_a_network_on_its_own_colour(self, given, whole):
        """Layer by layer in NumPy, normalised by the running statistics."""

        def convolve(x, layer):
            new = layer["kernel"].shape[-1]
            filtered = [
                sum(
                    signal.correlate2d(x[..., c], layer["kernel"][..., c, k], mode="same")
                    for c in range(x.shape[-1])
                )
                for k in range(new)
            ]
            return np.stack(filtered, axis=-1) + layer["bias"]

        for channel, colour in enumerate(("red", "green", "blue")):
            params = jax.tree.map(np.asarray, given["params"][colour])
            running = jax.tree.map(np.asarray, given["batch_stats"][colour])
            x = IMAGE[0, ..., channel, None].astype(np.float64)
            for number in (1, 2):
                norm, statistics = params[f"norm{number}"], running[f"norm{number}"]
                x = convolve(x, params[f"conv{number}"]) - statistics["mean"]
                x = x / np.sqrt(statistics["var"] + 1e-5) * norm["scale"] + norm["bias"]
                x = np.where(x < 0, params[f"prelu{number}"]["negative_slope"] * x, x)
            expected = (np.tanh(convolve(x, params["conv3"])[..., 0]) + 1) / 2
            np.testing.assert_allclose(whole[0, ..., channel], expected, atol=1e-5)

    def test_range(self, whole):
        assert whole.min() >= 0
        assert whole.max() <= 1
        assert np.ptp(whole) > 0.5

    @pytest.mark.parametrize("start", [-2, 2, 6])
    def test_strips_equal_the_whole(self, start, given, whole):
        """Eight rows, of which two above and below are the halo, and two columns of padding."""
        assert CONVOLUTIONS.halo == 2
        # What lies outside of the picture must have no effect.
        around = np.pad(IMAGE, [(0, 0), (2, 2), (0, 2), (0, 0)], constant_values=7)
        strip = around[:, start + 2 : start + 10]
        row, column = start + np.arange(8), np.arange(11)
        inside = ((row >= 0) & (row < 12))[:, None] & (column < 9)[None]
        ours = convolutions(given, strip, jnp.asarray(inside))
        expected = whole[:, start + 2 : start + 6]
        np.testing.assert_allclose(ours[:, 2:6, :9], expected, atol=1e-5)

    def test_training_normalises_by_the_batch(self, given):
        """Guides of a picture change with the others in its batch; the statistics follow."""

        @jax.jit
        def train(given, image):
            restored, changed = CONVOLUTIONS.apply(
                given, planes(image), train=True, mutable=["batch_stats"]
            )
            return jnp.stack(restored, axis=-1), changed["batch_stats"]

        one, _ = train(given, IMAGE)
        other, changed = train(given, np.stack([IMAGE[0], IMAGE[1] ** 2]))
        assert np.abs(one[0] - other[0]).max() > 1e-3
        for leaf, before in zip(
            jax.tree.leaves(changed), jax.tree.leaves(given["batch_stats"]), strict=True
        ):
            assert np.abs(leaf - before).max() > 1e-3
