import numpy as np
import pytest

from dehaze_jax.data import DepthMaps, plausible_depth
from dehaze_jax.errors import InputError


def _clear(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (30, 2), (48, 64)])
def test_depth_is_positive_and_at_most_one(height, width):
    depth = plausible_depth(3, _clear(height, width))
    assert depth.shape == (height, width)
    assert depth.dtype == np.float32
    assert depth.min() > 0
    assert depth.max() == pytest.approx(1)


def test_the_ground_is_nearer_than_what_stands_above_the_horizon():
    for seed in range(10):
        depth = plausible_depth(seed, _clear(60, 80))
        assert np.median(depth[-6:]) < 0.6 * np.median(depth[:12])


def test_seeds_choose_the_scene():
    clear = _clear(32, 40)
    np.testing.assert_array_equal(plausible_depth(1, clear), plausible_depth(1, clear))
    assert not np.array_equal(plausible_depth(1, clear), plausible_depth(2, clear))


def test_depth_jumps_where_the_picture_does():
    # Left dark, right bright: the relief differs between the halves, and turns over at the edge.
    clear = np.zeros((64, 128, 3), np.float32)
    clear[:, 64:] = 1
    jumps = np.abs(np.diff(np.log(plausible_depth(0, clear)), axis=1)).mean(axis=0)
    assert jumps.argmax() == 63
    assert jumps[63] > 5 * np.median(jumps)


def test_depth_maps_are_pictures_and_arrays_by_name(tmp_path):
    for name in ("a.PNG", "b.npy", "sub/c.tiff", "d.txt", "._a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    maps = DepthMaps(tmp_path)
    found = {name: maps.find(name) for name in ("a", "b", "sub/c", "c", "d", "none/e")}
    names = {key: path and path.relative_to(tmp_path).as_posix() for key, path in found.items()}
    none = dict.fromkeys(("c", "d", "none/e"))
    assert names == {"a": "a.PNG", "b": "b.npy", "sub/c": "sub/c.tiff"} | none
    (tmp_path / "a.npy").touch()
    with pytest.raises(InputError, match=r"a\.npy: a\.PNG is a depth map of the same name"):
        DepthMaps(tmp_path).find("a")
