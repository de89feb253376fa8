"""Restoring by imitation, with a method that can be followed by hand."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dehaze_jax import restoring
from dehaze_jax.lut import apply
from dehaze_jax.methods import RestoreOptions


def photograph(seed, shape):
    smooth = gaussian_filter(np.random.default_rng(seed).normal(size=(*shape, 3)), (9, 9, 0))
    return (0.5 + 0.15 * smooth / smooth.std()).clip(0, 1).astype(np.float32)


only_pointwise = pytest.mark.parametrize("method", ["pointwise"], indirect=True)


class TestBakeMethod:
    @only_pointwise
    def test_imitates_the_full_restoration(self, method, variables, twin):
        hazy = photograph(0, (300, 520))
        baked = restoring.bake_method(method, kind="local")
        restored = restoring.Restorer(baked, variables)(hazy)
        assert np.abs(restored - twin(hazy)).max() < 0.01
        assert np.abs(hazy - twin(hazy)).max() > 0.1

    @pytest.mark.parametrize("kind", ["lut", "local"])
    @only_pointwise
    def test_strips_equal_the_whole(self, method, variables, kind):
        hazy = photograph(1, (90, 70))
        baked = restoring.bake_method(method, kind=kind)
        whole = restoring.Restorer(baked, variables)(hazy)
        strips = restoring.Restorer(baked, variables, strip_pixels=1000)(hazy)
        np.testing.assert_allclose(strips, whole, atol=1e-6)

    @pytest.mark.devices
    @only_pointwise
    def test_rows_over_four_devices(self, method, variables):
        import jax

        hazy = photograph(1, (90, 70))
        baked = restoring.bake_method(method)
        four = restoring.Restorer(baked, variables, devices=jax.devices()[:4])(hazy)
        one = restoring.Restorer(baked, variables)(hazy)
        np.testing.assert_allclose(four, one, atol=1e-6)

    @only_pointwise
    def test_reads_a_bounded_copy(self, method, variables):
        """However large the picture is, the method itself sees its copy only."""
        seen = []

        def summarise(variables, hazy, options):
            seen.append(hazy.shape)
            return method.summarise(variables, hazy, options)

        watched = dataclasses.replace(method, summarise=summarise)
        restoring.Restorer(restoring.bake_method(watched), variables)(photograph(2, (600, 1100)))
        assert seen == [(256, 256, 3)]


@only_pointwise
def test_bake_picture_measures_its_own_error(method, variables):
    hazy = photograph(3, (200, 260))
    restorer = restoring.Restorer(method, variables, RestoreOptions(num_steps=2))
    baked, psnr = restoring.bake_picture(restorer, hazy, size=9)
    restored = restorer(hazy)
    mimic = np.clip(apply(baked.table, jnp.asarray(hazy), interpolation="tetrahedral"), 0, 1)
    measured = -10 * np.log10(np.mean((mimic - restored) ** 2))
    assert 20 < psnr < 80
    assert measured == pytest.approx(psnr, abs=1.5)  # the copy is a little smoother
