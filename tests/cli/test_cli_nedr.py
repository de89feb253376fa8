"""What `nedr` gives beside restored pictures, from weights on disk to files."""

import jax
import numpy as np
import pytest

from dehaze_jax import image, methods, restoring, storage
from dehaze_jax.cli import render, restore

CONFIG = methods.NedrConfig(width=4, proxy_size=32)


@pytest.fixture(scope="module")
def nedr(tmp_path_factory):
    """A folder of weights of the smallest network, untrained."""
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        statistics = path[0].key == "batch_stats"
        values = rng.uniform(0.3, 0.8, leaf.shape) if statistics else rng.normal(0, 0.2, leaf.shape)
        return values.astype(np.float32)

    shapes = jax.eval_shape(methods.build(CONFIG).init, jax.random.key(0), {})
    variables = jax.tree_util.tree_map_with_path(draw, shapes)
    folder = tmp_path_factory.mktemp("weights") / "nedr"
    storage.save_weights(folder, variables, storage.config_to_dict(CONFIG), {})
    return folder


@pytest.fixture
def hazy(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 65536, (40, 33, 3)).astype(np.uint16)
    image.write(tmp_path / "in.png", pixels)
    return tmp_path / "in.png"


def test_maps_explain_the_restored_picture(tmp_path, hazy, nedr):
    arguments = [str(hazy), str(tmp_path / "out.png"), "--weights", str(nedr), "--maps"]
    assert restore.main(arguments) == 0
    with np.load(tmp_path / "out_maps.npz") as archive:
        maps = dict(archive)
    assert (maps["airlight"].shape, maps["density"].shape) == ((3,), ())
    assert maps["transmission"].std() > 1e-3
    np.testing.assert_allclose(
        np.exp(-maps["density"] * maps["depth"]), maps["transmission"], rtol=1e-5
    )
    pixels = image.to_float(image.read(hazy).pixels)
    light = maps["airlight"]
    expected = np.clip((pixels - light) / maps["transmission"][..., None] + light, 0, 1)
    restored = image.to_float(image.read(tmp_path / "out.png").pixels)
    np.testing.assert_allclose(restored, expected, atol=5e-5)
    picture = image.read(tmp_path / "out_depth.png").pixels[..., 0]
    np.testing.assert_allclose(picture / 65535, maps["depth"] / maps["depth"].max(), atol=1e-5)


def test_haze_by_the_model(tmp_path, hazy, nedr):
    options = ["--weights", str(nedr), "--beta", "1.3", "--airlight", "0.8", "0.7", "0.6"]
    assert render.main([str(hazy), str(tmp_path / "out.png"), *options]) == 0
    clear = image.read(hazy).pixels
    rendered = image.read(tmp_path / "out.png").pixels

    def add_haze(density):
        haze = methods.HazeOptions(density=density, airlight=(0.8, 0.7, 0.6))
        return restoring.load_hazing(nedr, haze)(clear)

    np.testing.assert_array_equal(rendered, add_haze(1.3))
    assert np.abs(rendered.astype(int) - clear).mean() > 655
    assert np.abs(rendered.astype(int) - add_haze(0.3)).mean() > 655
