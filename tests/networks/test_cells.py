"""Features of the cells of a grid: what each cell sees, and backbones that do not fit."""

import sys
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.networks.cells import cell_features


class Same(nn.Module):
    """A backbone that does nothing."""

    features: int
    width: int

    def __call__(self, x, embedding):
        return x


class Deaf(nn.Module):
    """A backbone that does not give what it is asked for."""

    features: int
    width: int

    @nn.compact
    def __call__(self, x, embedding):
        return nn.Dense(3)(x)


class Cells(nn.Module):
    backbone: str

    @nn.compact
    def __call__(self, picture):
        embedding = jnp.zeros((picture.shape[0], 2))
        return cell_features(picture, embedding, backbone=self.backbone, width=8, cells=3)


@pytest.fixture(autouse=True)
def _mine(monkeypatch):
    monkeypatch.setitem(sys.modules, "mine", types.SimpleNamespace(Same=Same, Deaf=Deaf))


def test_features_are_those_of_the_pixels_of_a_cell(key):
    """Blocks of 4 x 4 pixels through a dense layer, then blocks of 2 x 2 of these."""
    rng = np.random.default_rng(0)
    picture = rng.normal(size=(2, 24, 24, 3)).astype(np.float32)
    module = Cells("mine:Same")
    given = module.init(key, jnp.asarray(picture))
    ours = module.apply(given, jnp.asarray(picture))
    assert ours.shape == (2, 3, 3, 4 * 8)
    (dense,) = given["params"].values()
    for image, row, column, block in np.ndindex(2, 3, 3, 4):
        top, left = 8 * row + 4 * (block // 2), 8 * column + 4 * (block % 2)
        pixels = picture[image, top : top + 4, left : left + 4].reshape(-1)
        expected = nn.gelu(nn.gelu(jnp.asarray(pixels @ dense["kernel"] + dense["bias"])))
        found = ours[image, row, column, 8 * block : 8 * block + 8]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_backbone_of_another_size_is_refused():
    with pytest.raises(InputError, match="mine:Deaf: gives 3 features, not 8"):
        jax.eval_shape(Cells("mine:Deaf").init, jax.random.key(0), jnp.zeros((1, 24, 24, 3)))
