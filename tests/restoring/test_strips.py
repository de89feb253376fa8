import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dehaze_jax import image as im
from dehaze_jax import restoring
from dehaze_jax.errors import InputError
from dehaze_jax.restoring import cutting, strips

SIZES = [(1, 1), (5, 1), (33, 20)]


def picture(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_whole_matches_numpy(method, variables, twin, size):
    image = picture(*size)
    whole = restoring.restore_whole(method, variables, jnp.asarray(image))
    np.testing.assert_allclose(whole, twin(image), atol=1e-6)


def test_whole_takes_batches_and_differentiates(method, variables, twin):
    images = jnp.stack([jnp.asarray(picture(9, 6, seed)) for seed in range(2)])
    whole = jax.jit(lambda v, x: restoring.restore_whole(method, v, x))(variables, images)
    np.testing.assert_allclose(whole, [twin(image) for image in np.asarray(images)], atol=1e-6)
    gradient = jax.grad(lambda v: restoring.restore_whole(method, v, images[0]).mean())(variables)
    step = 1e-2
    shifted = [
        float(restoring.restore_whole(method, {"gain": jnp.float32(g)}, images[0]).mean())
        for g in (0.7 - step, 0.7 + step)
    ]
    assert float(gradient["gain"]) == pytest.approx((shifted[1] - shifted[0]) / 2 / step, rel=1e-2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("strip_pixels", [1, 64])
def test_strips_match_whole(method, variables, size, strip_pixels):
    image = picture(*size)
    context = restoring.summarise_picture(method, variables, image)
    rows = restoring.restore_rows(method, variables, context, image, strip_pixels=strip_pixels)
    whole = restoring.restore_whole(method, variables, jnp.asarray(image))
    np.testing.assert_allclose(rows, whole, atol=1e-6)


@pytest.mark.devices
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [2, 4])
def test_sharded_rows_match_strips(method, variables, size, count):
    image = picture(*size)
    context = restoring.summarise_picture(method, variables, image)
    rows = restoring.restore_rows(method, variables, context, image, strip_pixels=64)
    sharded = restoring.restore_sharded(method, variables, image, devices=jax.devices()[:count])
    np.testing.assert_allclose(sharded, rows, atol=1e-6)


@pytest.mark.devices
def test_sharded_rows_stay_on_their_devices(method, variables):
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    by_rows = NamedSharding(Mesh(np.asarray(jax.devices()), ("space",)), PartitionSpec("space"))
    context = restoring.summarise_picture(method, variables, picture(32, 8))
    replicated = NamedSharding(by_rows.mesh, PartitionSpec())
    arguments = jax.device_put((variables, context), replicated)
    pixels = jax.device_put(picture(32, 8), by_rows)
    program = strips._render_sharded.lower(
        method, *arguments, pixels, jnp.int32(32), by_rows=by_rows
    ).compile()
    assert "all-gather" not in program.as_text()


def test_strips_of_one_width_share_a_program(method, variables):
    strips._finish.clear_cache()
    for height in (40, 41, 64):
        image = picture(height, 13)
        context = restoring.summarise_picture(method, variables, image)
        restoring.restore_rows(method, variables, context, image, strip_pixels=13 * 16)
    assert strips._finish._cache_size() == 1


def test_progress_reaches_the_last_row(method, variables):
    image = picture(40, 10)
    context = restoring.summarise_picture(method, variables, image)
    seen = []
    restoring.restore_rows(
        method,
        variables,
        context,
        image,
        strip_pixels=12 * 16,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(16, 40), (32, 40), (40, 40)]


@pytest.mark.parametrize(
    ("height", "width", "pixels", "shape"),
    [
        (1, 1, 1, (1, 1)),  # never none
        (20, 20000, 2**18, (8, 24576)),  # not above the limit
        (460, 620, 2**18, (256, 768)),
        (413, 550, 2**18, (256, 768)),  # shares the program of the one above
        (30, 620, 2**18, (32, 768)),  # a low picture is not padded to a full strip
        (2160, 3840, 2**18, (64, 4096)),
        (10, 30, 10, (1, 32)),  # one row is the least
    ],
)
def test_strip_shape(height, width, pixels, shape):
    assert cutting.strip_shape(height, width, pixels) == shape


@pytest.mark.parametrize(("halo", "rows"), [(1, 4), (2, 8), (3, 16), (5, 32), (40, 192)])
def test_strips_are_not_low_for_their_halo(halo, rows):
    """Not even where fewer pixels are asked for; a picture lower than that is one strip."""
    assert cutting.strip_shape(180, 4000, 1, halo=halo) == (rows, 4096)
    assert cutting.strip_shape(180, 100, 2**20, halo=halo) == (192, 128)


def test_values_that_are_not_finite_are_refused(method, variables):
    image = picture(40, 10)
    context = restoring.summarise_picture(method, variables, image)
    broken = {"gain": jnp.float32(jnp.nan)}
    with pytest.raises(InputError, match="not finite"):
        restoring.restore_rows(method, broken, context, image)
    with pytest.raises(InputError, match="not finite"):
        restoring.restore_sharded(method, broken, image, devices=jax.devices()[:2])


class TestOverview:
    """`summarise` may be handed a reduced picture; the same one however the rest is worked on."""

    @pytest.fixture
    def reduced(self, method):
        return dataclasses.replace(method, overview=8)

    def test_what_is_handed_over(self, reduced, variables):
        seen = []

        def summarise(variables, hazy, options):
            seen.append(np.asarray(hazy))
            return reduced.summarise(variables, hazy, options)

        hazy = picture(27, 41)
        restoring.summarise_picture(
            dataclasses.replace(reduced, summarise=summarise), variables, hazy
        )
        np.testing.assert_allclose(seen[0], im.box_reduce(jnp.asarray(hazy), 3), atol=1e-7)

    def test_whole_strips_and_devices_agree(self, reduced, variables):
        hazy = picture(27, 41)
        whole = restoring.restore_whole(reduced, variables, jnp.asarray(hazy))
        context = restoring.summarise_picture(reduced, variables, hazy)
        rows = restoring.restore_rows(reduced, variables, context, hazy, strip_pixels=41 * 4)
        np.testing.assert_allclose(rows, whole, atol=1e-6)

    def test_a_flow_hardly_notices(self, weights):
        """A picture that is reduced twice, against the same without."""
        restorer = restoring.load(weights, solver="euler", steps=2)
        hazy = gaussian_filter(picture(130, 150), (2, 2, 0))
        full = restoring.Restorer(
            dataclasses.replace(restorer.method, overview=0), restorer.variables, restorer.options
        )
        assert restorer.method.overview == 64
        np.testing.assert_allclose(restorer(hazy), full(hazy), atol=2e-3)
