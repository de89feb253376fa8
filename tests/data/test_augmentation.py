import itertools

import numpy as np
import pytest
from skimage.transform import downscale_local_mean

from dehaze_jax.data import Cut, DataConfig, DecodedMaps
from dehaze_jax.data.augmentation import Choice, resize, scale_haze
from dehaze_jax.image import to_float


def _coordinates(height, width):
    """Every pixel holds its own row and column."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return np.stack([rows, columns, 0 * rows], axis=-1).astype(np.float32)


def _cut(maps, seed=0, **options):
    return Cut(DataConfig(**options))(DecodedMaps(maps), np.random.default_rng(seed))


def test_all_maps_are_cut_at_the_same_place():
    places = _coordinates(40, 60)
    maps = {"hazy": places, "clear": places + 1000, "transmission": places[..., :1] / 100}
    for seed in range(20):
        cut = _cut(maps, seed, crop_size=16)
        np.testing.assert_allclose(cut["clear"], cut["hazy"] + 1000, atol=1e-3)
        np.testing.assert_allclose(cut["transmission"], cut["hazy"][..., :1] / 100, atol=1e-5)


def test_any_map_may_stand_alone_and_vectors_have_no_size():
    places = _coordinates(40, 60)
    for seed in range(5):
        expected = _cut({"hazy": places}, seed, crop_size=16)["hazy"]
        cut = _cut({"airlight": np.ones(3), "clear": places}, seed, crop_size=16)
        np.testing.assert_array_equal(cut["clear"], expected)


def test_an_unscaled_cut_is_a_piece_of_the_picture():
    places = _coordinates(20, 30)
    for seed in range(10):
        cut = _cut({"hazy": places}, seed, crop_size=20, crop_scale=(1.0, 1.0), rotations=False)
        rows, columns = cut["hazy"][..., 0], cut["hazy"][..., 1]
        np.testing.assert_array_equal(rows[:, 0], np.arange(20))
        assert abs(columns[0, -1] - columns[0, 0]) == 19


@pytest.mark.parametrize(
    ("flips", "rotations", "count"), [(0, 0, 1), (1, 0, 2), (0, 1, 4), (1, 1, 8)]
)
def test_options_reach_exactly_their_orientations(flips, rotations, count):
    places = _coordinates(8, 8)
    options = {"flips": bool(flips), "rotations": bool(rotations)}
    seen = {
        _cut({"hazy": places}, seed, crop_size=8, crop_scale=(1.0, 1.0), **options)[
            "hazy"
        ].tobytes()
        for seed in range(100)
    }
    assert len(seen) == count


def _areas(size, side):
    """Shares of the pixels of an axis in each of `side` equal parts of it."""
    edges = np.arange(side + 1)[:, None] * size / side
    reached = np.clip(edges - np.arange(size), 0, 1)
    return np.diff(reached, axis=0) * side / size


def _tents(size, side):
    """Weights of linear interpolation at the centres of the parts, held at the outermost pixels."""
    at = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(size)), 0)


@pytest.mark.parametrize(
    ("size", "weights"),
    [
        ((16, 16), _areas),
        ((24, 40), _areas),
        ((16, 24), _areas),
        ((31, 17), _areas),
        ((4, 30), _tents),
        ((30, 15), _tents),
        ((5, 3), _tents),
        ((1, 1), _tents),
    ],
)
def test_the_whole_picture_is_stretched_to_the_square(size, weights):
    """Area averages where no side becomes longer; all maps alike, whatever `crop_scale` is."""
    hazy = np.random.default_rng(0).random((*size, 3)).astype(np.float32)
    options = {"crop_scale": (0.1, 0.2), "flips": False, "rotations": False}
    cut = _cut({"hazy": hazy, "depth": hazy[..., 1:2]}, crop_size=16, crop="whole", **options)
    rows, columns = (weights(length, 16) for length in size)
    expected = np.einsum("iy,jx,yxc->ijc", rows, columns, hazy)
    np.testing.assert_allclose(cut["hazy"], expected, atol=1e-5)
    np.testing.assert_allclose(cut["depth"], expected[..., 1:2], atol=1e-5)


@pytest.mark.parametrize(
    ("flips", "rotations", "count"), [(0, 0, 1), (1, 0, 2), (0, 1, 4), (1, 1, 8)]
)
def test_the_whole_picture_is_flipped_and_turned_too(flips, rotations, count):
    maps = {"hazy": _coordinates(8, 12)}
    options = {"crop": "whole", "flips": bool(flips), "rotations": bool(rotations)}
    seen = {_cut(maps, seed, crop_size=8, **options)["hazy"].tobytes() for seed in range(100)}
    assert len(seen) == count


def test_sides_are_uniform_in_crop_scale():
    # A ramp of slope 1 a pixel keeps its slope times side / crop_size.
    places = _coordinates(100, 140)
    sides = []
    rng = np.random.default_rng(0)
    config = DataConfig(crop_size=10, crop_scale=(0.2, 0.6), flips=False, rotations=False)
    for _ in range(500):
        cut = Cut(config)(DecodedMaps({"hazy": places}), rng)["hazy"]
        sides.append((cut[5, 5, 0] - cut[4, 5, 0]) * 10)
    assert min(sides) + 0.1 >= 20
    assert max(sides) <= 60.1
    assert np.mean(sides) == pytest.approx(40, abs=2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_flips_and_turns_are_those_of_numpy(dtype, channels):
    values = (1000 * np.random.default_rng(0).random((9, 9, channels))).astype(dtype)
    cut = Cut(DataConfig(crop="native", crop_size=9))
    place = slice(0, 9), slice(0, 9)
    for flip, turns in itertools.product((False, True), range(4)):
        taken = cut.take(DecodedMaps({"hazy": values}), Choice(place, flip, turns))["hazy"]
        expected = np.rot90(values[:, ::-1] if flip else values, turns)
        np.testing.assert_array_equal(taken, to_float(np.ascontiguousarray(expected)))
        assert taken.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_come_out_in_zero_to_one(dtype):
    maps = {"hazy": np.full((12, 12, 3), np.iinfo(dtype).max, dtype), "airlight": np.ones(3)}
    cut = _cut(maps, crop_size=8)
    assert cut["hazy"].dtype == cut["airlight"].dtype == np.float32
    np.testing.assert_allclose(cut["hazy"], 1.0, atol=1e-6)
    np.testing.assert_array_equal(cut["airlight"], np.ones(3))


def test_pictures_smaller_than_the_cut_are_enlarged():
    for height, width in [(1, 1), (1, 9), (7, 5)]:
        cut = _cut({"hazy": np.full((height, width, 3), 51, np.uint8)}, crop_size=16)
        assert cut["hazy"].shape == (16, 16, 3)
        np.testing.assert_allclose(cut["hazy"], 0.2, atol=1e-6)


def test_shrinking_averages_areas():
    square = np.random.default_rng(0).random((24, 24, 3)).astype(np.float32)
    expected = downscale_local_mean(square, (3, 3, 1))
    np.testing.assert_allclose(resize(square, 8), expected, atol=1e-6)
    np.testing.assert_allclose(resize(square[..., :1], 8), expected[..., :1], atol=1e-6)


def test_enlarging_does_not_overshoot():
    square = (np.random.default_rng(0).random((8, 8, 3)) > 0.5).astype(np.float32)
    larger = resize(square, 21)
    assert larger.min() >= 0
    assert larger.max() <= 1


def test_native_cuts_are_pixels_as_they_are():
    places = _coordinates(40, 60)
    options = {"crop": "native", "crop_size": 16, "flips": False, "rotations": False}
    corners = set()
    for seed in range(200):
        cut = _cut({"hazy": places}, seed, crop_scale=(0.1, 0.2), **options)["hazy"]
        top, left = cut[0, 0, :2].astype(int)
        np.testing.assert_array_equal(cut, places[top : top + 16, left : left + 16])
        corners.add((top, left))
    tops, lefts = map(set, zip(*corners, strict=True))
    assert tops == set(range(25))
    assert lefts == set(range(45))


def test_of_a_small_picture_a_native_cut_is_the_full_shorter_side_enlarged():
    cut = _cut({"hazy": _coordinates(8, 8)}, crop="native", crop_size=16, rotations=False)
    np.testing.assert_allclose(cut["hazy"][[0, -1], 0, 0], [0, 7])


@pytest.mark.parametrize("crop", ["scaled", "native", "whole"])
def test_the_place_depends_on_the_size_alone(crop):
    class Recorder(DecodedMaps):
        def part(self, place=None):
            places.append(place)
            return super().part(place)

    cut = Cut(DataConfig(crop=crop, crop_size=16))
    maps = Recorder({"hazy": _coordinates(40, 60)})
    for seed in range(5):
        places = []
        taken = cut(maps, np.random.default_rng(seed))
        choice = cut.choose(40, 60, np.random.default_rng(seed))
        assert places == [choice.place]
        np.testing.assert_array_equal(taken["hazy"], cut.take(maps, choice)["hazy"])


@pytest.mark.parametrize(
    ("options", "rows", "columns"),
    [
        ({"crop": "whole"}, (0, 40), (0, 61)),
        ({"crop": "native"}, (12, 28), (22, 38)),
        ({"crop": "native", "crop_size": 50}, (0, 40), (10, 50)),
        ({"crop_scale": (0.2, 0.5)}, (10, 30), (20, 40)),
        ({"crop_scale": (1.0, 1.0)}, (0, 40), (10, 50)),
    ],
)
def test_the_middle_is_the_largest_cut_and_upright(options, rows, columns):
    choice = Cut(DataConfig(**{"crop_size": 16, **options})).middle(40, 61)
    assert choice == ((slice(*rows), slice(*columns)), False, 0, 1)


def _pair(factor=1.0):
    """A pair by the scattering model, whose haze takes `factor` times as much light away."""
    rng = np.random.default_rng(5)
    clear = rng.uniform(0, 0.8, (12, 12, 3)).astype(np.float32)
    transmission = 1 - factor * rng.uniform(0.1, 0.7, (12, 12, 1)).astype(np.float32)
    airlight = np.array([0.8, 0.85, 0.9], np.float32)
    hazy = clear * transmission + airlight * (1 - transmission)
    return {"hazy": hazy, "clear": clear, "transmission": transmission, "airlight": airlight}


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.2])
def test_scaled_haze_is_that_of_the_scattering_model(factor):
    scaled = scale_haze(_pair(), factor)
    expected = _pair(factor)
    assert scaled.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(scaled[name], values, atol=1e-6, err_msg=name)
        assert scaled[name].dtype == np.float32


def test_scaled_haze_stays_in_range():
    scaled = scale_haze(_pair(), 2.0)
    assert scaled["transmission"].min() == 0
    hazy = scale_haze({"hazy": np.array([0.9, 0.1]), "clear": np.array([0.5, 0.5])}, 3.0)["hazy"]
    np.testing.assert_array_equal(hazy, [1, 0])


def test_haze_is_scaled_uniformly_and_the_same_everywhere():
    clear = np.full((9, 9, 3), 0.25, np.float32)
    maps = {"hazy": clear + 0.5, "clear": clear}
    found = []
    for seed in range(400):
        cut = _cut(maps, seed, crop_size=8, haze_scale=(0.4, 1.2))
        difference = (cut["hazy"] - cut["clear"]) / 0.5
        assert np.ptp(difference) < 1e-5
        found.append(difference.mean())
    low, high = np.quantile(found, (0.25, 0.75))
    assert 0.4 <= min(found) < 0.42
    assert 1.18 < max(found) <= 1.2
    assert (low, high) == pytest.approx((0.6, 1.0), abs=0.05)


def test_without_scaling_the_haze_is_untouched():
    pair = _pair()
    cut = _cut(pair, crop="whole", crop_size=12, flips=False, rotations=False)
    for name, values in pair.items():
        np.testing.assert_array_equal(cut[name], values, err_msg=name)


def test_one_side_alone_has_no_haze_to_scale():
    hazy = _pair()["hazy"]
    options = {"crop": "whole", "crop_size": 12, "flips": False, "rotations": False}
    cut = _cut({"hazy": hazy}, haze_scale=(0.5, 0.5), **options)
    np.testing.assert_array_equal(cut["hazy"], hazy)
