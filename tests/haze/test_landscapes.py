import hashlib
import subprocess
import sys

import numpy as np
import pytest

from dehaze_jax import haze
from dehaze_jax.haze.landscapes import SKY_DEPTH
from dehaze_jax.haze.objects import Canvas, _draw_house
from dehaze_jax.haze.scenes import Scene
from dehaze_jax.haze.terrain import cast, surface


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (40, 1), (33, 48)])
def test_range_and_types_at_any_size(height, width):
    clear, depth = haze.landscape(3, height, width)
    assert clear.shape == (height, width, 3)
    assert depth.shape == (height, width)
    assert clear.dtype == depth.dtype == np.float32
    assert clear.min() >= 0
    assert clear.max() <= 1
    assert depth.min() > 0.02
    assert np.isfinite(depth).all()
    if width < 2 * height:  # at the sides of a very wide picture land is farther than that
        assert depth.max() <= SKY_DEPTH


def test_a_seed_gives_the_same_scene_again_and_another_seed_another():
    def digest(seed):
        return hashlib.sha256(b"".join(x.tobytes() for x in haze.landscape(seed, 24, 32)))

    assert digest(5).digest() == digest(5).digest() != digest(6).digest()


@pytest.mark.parametrize("seed", [0, 4, 8])
def test_same_scene_at_another_size(seed):
    small, small_depth = haze.landscape(seed, 60, 80, samples=2)
    large, large_depth = haze.landscape(seed, 240, 320, samples=1)
    pooled = large.reshape(60, 4, 80, 4, 3).mean(axis=(1, 3))
    assert np.abs(pooled - small).mean() < 0.03
    pooled_depth = np.median(large_depth.reshape(60, 4, 80, 4).swapaxes(1, 2), axis=(2, 3))
    assert np.median(np.abs(pooled_depth / small_depth - 1)) < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_terrain_hits_lie_on_the_terrain_and_nothing_stands_before_them(seed):
    scene = Scene.create(seed)
    v = ((scene.horizon - (np.arange(90) + 0.5) / 90) / scene.focal).astype(np.float32)
    u = np.linspace(-0.5, 0.5, 61, dtype=np.float32)
    hits = cast(scene, u, v)
    up, _ = surface(scene, hits.x.astype(np.float32), hits.z.astype(np.float32))
    off = np.abs(up - hits.up)[hits.land]
    # Between the sampled distances the land is straight by definition; crowns are not.
    assert np.median(off) < 1e-4
    assert np.quantile(off, 0.99) < 3e-3
    share = np.linspace(0.3, 0.97, 40)[:, None, None]
    z = (hits.z * share).astype(np.float32)
    before, _ = surface(scene, (z * u).astype(np.float32), z)
    over = np.where(hits.land, before - (scene.eye + v[:, None] * z), -1).max(axis=0)
    assert np.quantile(over[hits.land], 0.99) < 1e-3


def test_depth_of_water_is_that_of_a_plane():
    seed = next(s for s in range(100) if Scene.create(s).water > 0)
    scene = Scene.create(seed)
    height, width = 120, 160
    v = (scene.horizon - (np.arange(height) + 0.5) / height) / scene.focal
    u = (np.arange(width) + 0.5 - width / 2) / height / scene.focal
    _, depth = haze.landscape(seed, height, width, samples=1)
    with np.errstate(divide="ignore"):
        plane = (scene.water - scene.eye) / v[:, None] * np.sqrt(1 + u**2 + v[:, None] ** 2)
    on_water = np.abs(depth / plane - 1) < 1e-4
    assert on_water.mean() > 0.03


def test_house_is_where_it_was_put():
    scene = Scene.create(0)
    v, u = np.linspace(0.2, -0.4, 300), np.linspace(-0.3, 0.3, 300)
    canvas = Canvas(np.zeros((300, 300, 3)), np.full((300, 300), np.inf), u, v)
    foot, size = np.array((0.0, 0.0, 0.5)), np.array((0.04, 0.03, 0.05))
    _draw_house(scene, canvas, foot, size, False, 0.0, np.zeros(3))
    seen = np.isfinite(canvas.z)
    # Turned by 0 the front is the plane z = 0.5 - 0.05 / 2, 0.04 wide and 0.03 high.
    front = np.isclose(canvas.z, 0.475, atol=1e-6)
    rows, columns = np.nonzero(front)
    np.testing.assert_allclose(u[columns.max()], 0.02 / 0.475, atol=0.003)
    np.testing.assert_allclose(v[rows.min()], (0.03 - scene.eye) / 0.475, atol=0.003)
    roof = seen & ~front
    y = scene.eye + v[np.nonzero(roof)[0]] * canvas.z[roof]
    np.testing.assert_allclose(y, 0.03, atol=1e-5)


def test_edges_of_depth_are_edges_of_colour():
    ratios = []
    for seed in range(6):
        clear, depth = haze.landscape(seed, 96, 128, samples=1)
        jump = np.abs(np.diff(np.log(depth), axis=0)) > 0.4
        change = np.abs(np.diff(clear, axis=0)).mean(axis=-1)
        ratios.append(change[jump].mean() / change[~jump].mean())
    assert np.mean(ratios) > 2.5


def test_no_jax_is_imported():
    code = (
        "import sys; from dehaze_jax import haze; haze.landscape(0, 8, 8); "
        "assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
