import dataclasses
import pathlib

import numpy as np
import pytest

from dehaze_jax.data import add_haze, density, plausible_depth, render_files
from dehaze_jax.errors import InputError
from dehaze_jax.image import Picture, read, to_float


@pytest.fixture
def clear():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    return Picture(pixels, alpha=np.full((20, 30), 77, np.uint8), icc=b"profile")


def test_haze_follows_the_scattering_model(clear):
    depth = np.random.default_rng(1).random((20, 30)).astype(np.float32)
    hazy = add_haze(clear, depth, beta=1.3, airlight=(0.8, 0.9, 1.0))
    t = np.exp(-1.3 * depth.astype(np.float64))[..., None]
    expected = clear.pixels / 255 * t + np.array([0.8, 0.9, 1.0]) * (1 - t)
    np.testing.assert_allclose(hazy.pixels, expected * 255, atol=0.51)
    np.testing.assert_array_equal(hazy.alpha, clear.alpha)
    assert hazy.icc == clear.icc


def test_without_depth_a_plausible_one_is_used(clear):
    made_up = plausible_depth(5, to_float(clear.pixels))
    expected = add_haze(clear, made_up, beta=1.0, seed=5)
    np.testing.assert_array_equal(add_haze(clear, beta=1.0, seed=5).pixels, expected.pixels)


def test_no_haze_is_no_change(clear):
    np.testing.assert_array_equal(add_haze(clear, beta=0.0).pixels, clear.pixels)


def test_bit_depth_and_greyness_are_kept():
    levels = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    grey = Picture(np.repeat(levels[..., None], 3, axis=2), grey=True)
    hazy = add_haze(grey, beta=0.5)
    assert hazy.pixels.dtype == np.uint16
    assert hazy.grey
    assert not add_haze(grey, beta=0.5, airlight=(0.8, 0.9, 0.9)).grey


def test_density_has_mean_one_and_the_strength_asked_for():
    # 1 pixel in 1 of the field itself: the standard deviation of the logarithm is the definition.
    for strength in (0.2, 0.8):
        field = density(4, 256, 256, strength=strength)
        assert field.mean() == pytest.approx(1, abs=1e-5)
        assert np.log(field).std() == pytest.approx(strength, rel=1e-3)
    np.testing.assert_array_equal(density(4, 5, 7, strength=0.0), np.ones((5, 7)))


def test_density_is_the_same_field_at_any_size():
    small, large = (density(4, n, 2 * n, strength=0.5) for n in (128, 512))
    averaged = large.reshape(128, 4, 256, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(small, averaged, rtol=0.02)
    assert density(4, 1, 300, strength=0.5).shape == (1, 300)


def test_uneven_haze_differs_from_even_haze(clear):
    even = add_haze(clear, beta=1.0, seed=2)
    uneven = add_haze(clear, beta=1.0, seed=2, non_homogeneous=0.5)
    assert np.abs(even.pixels.astype(int) - uneven.pixels.astype(int)).max() > 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": -1.0}, "beta: -1.0 must be a number, and not negative"),
        ({"beta": float("nan")}, "beta: nan"),
        ({"beta": float("inf")}, "beta: inf"),
        ({"beta": 1.0, "seed": -1}, "seed: -1 is below zero"),
        ({"beta": 1.0, "airlight": (0.5, 0.5)}, "airlight: must be three"),
        ({"beta": 1.0, "airlight": (0.5, 0.5, 1.5)}, "airlight: must be three"),
        ({"beta": 1.0, "non_homogeneous": -0.1}, "non-homogeneous: -0.1 is not in 0 to 5"),
        ({"beta": 1.0, "non_homogeneous": 5.1}, "non-homogeneous: 5.1 is not in"),
        ({"beta": 1.0, "depth": np.ones((5, 7), np.float32)}, "depth: is 7 x 5, the picture 30"),
        ({"beta": 1.0, "depth": -np.ones((20, 30), np.float32)}, "depth: is below zero"),
    ],
)
def test_parameters_out_of_range_are_named(clear, options, message):
    with pytest.raises(InputError, match=message):
        add_haze(clear, **options)


def test_files_go_on_past_a_bad_one(tmp_path, picture):
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    picture(tmp_path / "c.png", seed=3)
    jobs = [(tmp_path / f"{name}.png", tmp_path / "out" / f"{name}.png") for name in "abc"]
    errors = dict(render_files(jobs, beta=1.0))
    assert [path.name for path, error in errors.items() if error is None] == ["a.png", "c.png"]
    assert str(errors[jobs[1][1]]).startswith(str(jobs[1][0]))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]
    expected = add_haze(read(jobs[0][0]), beta=1.0)
    np.testing.assert_array_equal(read(jobs[0][1]).pixels, expected.pixels)


def test_depth_comes_from_a_file_or_a_folder_by_name(tmp_path, picture):
    picture(tmp_path / "a.png")
    depth = np.random.default_rng(0).random((40, 56)).astype(np.float32)
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth/a.npy", depth)
    expected = add_haze(dataclasses.replace(read(tmp_path / "a.png")), depth, beta=2.0).pixels
    jobs = [(tmp_path / "a.png", tmp_path / "hazy.png")]
    for given in (tmp_path / "depth/a.npy", tmp_path / "depth"):
        assert list(render_files(jobs, depth=given, beta=2.0)) == [(jobs[0][1], None)]
        np.testing.assert_array_equal(read(jobs[0][1]).pixels, expected)


def test_faults_of_depth_maps_name_the_file(tmp_path, picture):
    picture(tmp_path / "a.png")
    jobs = [(tmp_path / "a.png", tmp_path / "hazy.png")]
    np.save(tmp_path / "small.npy", np.ones((4, 4), np.float32))
    ((_, error),) = render_files(jobs, depth=tmp_path / "small.npy", beta=1.0)
    assert str(error) == f"{tmp_path / 'small.npy'}: is 4 x 4, the picture 56 x 40"
    (tmp_path / "depth").mkdir()
    ((_, error),) = render_files(jobs, depth=tmp_path / "depth", beta=1.0)
    assert "a.png: has no depth map in" in str(error)
    with pytest.raises(InputError, match="one depth map for several pictures"):
        next(render_files(jobs * 2, depth=tmp_path / "small.npy", beta=1.0))
    assert not (tmp_path / "hazy.png").exists()


def test_a_folder_of_depth_maps_is_listed_once(tmp_path, picture, monkeypatch):
    (tmp_path / "depth").mkdir()
    jobs = [(tmp_path / f"{n}.png", tmp_path / f"hazy{n}.png") for n in range(3)]
    for source, _ in jobs:
        picture(source)
        np.save(tmp_path / f"depth/{source.stem}.npy", np.ones((40, 56), np.float32))
    listed, rglob = [], pathlib.Path.rglob
    monkeypatch.setattr(pathlib.Path, "rglob", lambda *args: listed.append(1) or rglob(*args))
    results = list(render_files(jobs, depth=tmp_path / "depth", beta=1.0))
    assert [error for _, error in results] == [None] * 3
    assert len(listed) == 1
