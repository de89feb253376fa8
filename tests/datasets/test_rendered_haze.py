import json
import pathlib
import shutil

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from dehaze_jax.data import open_prepared, plausible_depth, prepare, split_sizes
from dehaze_jax.errors import InputError
from dehaze_jax.haze import landscape


@pytest.fixture(scope="module")
def landscapes(tmp_path_factory):
    to = tmp_path_factory.mktemp("data") / "landscapes"
    return prepare("rendered_haze/landscapes", to, size=(24, 32), scenes=5, hazes=6, seed=3)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    to = tmp_path_factory.mktemp("data") / "photographs"
    return prepare("rendered_haze", to, hazes=2)


def _all(path):
    return [example for split in split_sizes(path) for example in open_prepared(path, split)]


def _scenes(path):
    return {
        split: {example.id.rsplit("_", 1)[0] for example in open_prepared(path, split)}
        for split in split_sizes(path)
    }


def _composed(example):
    t, airlight = example.extras["transmission"], example.extras["airlight"]
    return 255 * (example.clear / 255 * t + airlight * (1 - t))


def test_no_scene_is_in_two_splits(landscapes, photographs):
    for path, count in ((landscapes, 5), (photographs, 5)):
        scenes = _scenes(path)
        assert set(scenes) == {"train", "validation", "test"}
        assert sum(map(len, scenes.values())) == len(set.union(*scenes.values())) == count
        pictures = {
            split: {example.clear.tobytes() for example in open_prepared(path, split)}
            for split in scenes
        }
        assert sum(map(len, pictures.values())) == len(set.union(*pictures.values())) == count


def test_recorded_parameters_explain_every_hazy_picture(landscapes, photographs):
    for example in [*_all(landscapes), *_all(photographs)]:
        np.testing.assert_allclose(example.hazy, _composed(example), atol=0.51)


def test_landscapes_have_exact_depth(tmp_path):
    path = prepare("rendered_haze/landscapes", tmp_path / "l", size=(20, 30), scenes=1, hazes=2)
    seed = int(np.random.SeedSequence([0, 0]).generate_state(1)[0])
    clear, depth = landscape(seed, 20, 30)
    for example in _all(path):
        np.testing.assert_allclose(example.clear, clear * 255, atol=0.51)
        np.testing.assert_allclose(example.extras["depth"], depth, rtol=2**-11)


def test_even_haze_is_beta_times_depth(landscapes):
    records = tfds.builder_from_directory(landscapes).as_data_source(split="train")
    examples = open_prepared(landscapes, "train")
    uneven = 0
    for record, example in zip(records, examples, strict=True):
        extras = example.extras
        expected = np.exp(-extras["beta"] * extras["depth"])[..., None]
        error = np.abs(extras["transmission"] - expected).max()
        assert (error < 2e-3) == (record["non_homogeneity"] == 0)
        uneven += record["non_homogeneity"] > 0
    assert 0 < uneven < len(examples)


def test_hazes_of_a_scene_differ_and_cover_the_range(landscapes):
    examples = _all(landscapes)
    assert len({float(example.extras["beta"]) for example in examples}) == len(examples) == 30
    medians = [
        np.exp(-example.extras["beta"] * np.median(example.extras["depth"])) for example in examples
    ]
    assert 0.19 < min(medians) < 0.35
    assert 0.7 < max(medians) < 0.86
    airlights = np.array([example.extras["airlight"] for example in examples])
    assert airlights.min() > 0.6
    assert 0.001 < np.ptp(airlights, axis=1).mean() < 0.1


def test_the_seed_decides_everything(tmp_path, landscapes):
    options = {"size": (24, 32), "scenes": 5, "hazes": 6}
    again = prepare("rendered_haze/landscapes", tmp_path / "a", seed=3, **options)
    other = prepare("rendered_haze/landscapes", tmp_path / "b", seed=4, **options)
    fingerprints = [open_prepared(p, "train").fingerprint for p in (landscapes, again, other)]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_the_motorcycle_has_its_measured_depth(photographs):
    examples = [e for e in open_prepared(photographs, "train") if "motorcycle" in e.id]
    depth = examples[0].extras["depth"]
    # The Middlebury scene is a garage: nothing nearer than 2 m or farther than 6 m.
    assert depth.shape == examples[0].clear.shape[:2]
    assert 1.5 < depth.min() < depth.max() < 6
    assert np.median(depth[100:130, :60]) > np.median(depth[300:330, 330:390])


def _notes(path):
    return json.loads((path / "report.json").read_text())["notes"]


def _zipped(source, archive):
    return shutil.make_archive(str(archive), "zip", source.parent, source.name)


def test_a_folder_of_clear_pictures_with_depth(tmp_path, picture):
    source = tmp_path / "source"
    written = {name: picture(source / f"clear/{name}.png", seed=n) for n, name in enumerate("abc")}
    (source / "depth").mkdir()
    for number, name in enumerate("abc"):
        np.save(source / f"depth/{name}.npy", np.full((24, 32), number + 1, np.float32))
    path = prepare("rendered_haze", tmp_path / "p", source=source, hazes=1)
    examples = {example.id[0]: example for example in _all(path)}
    for number, (name, pixels) in enumerate(written.items()):
        np.testing.assert_array_equal(examples[name].clear, pixels)
        np.testing.assert_allclose(examples[name].hazy, _composed(examples[name]), atol=0.51)
        assert (examples[name].extras["depth"] == number + 1).all()
    assert not _notes(path)


def test_without_depth_maps_depth_is_made_up_and_that_is_said(tmp_path, picture):
    pixels = picture(tmp_path / "source/clear/a.png")
    path = prepare("rendered_haze", tmp_path / "p", source=tmp_path / "source", hazes=1)
    seed = int(np.random.SeedSequence([0, 0]).generate_state(1)[0])
    made_up = plausible_depth(seed, pixels.astype(np.float32) / np.float32(255))
    np.testing.assert_allclose(_all(path)[0].extras["depth"], made_up, rtol=2**-10)
    assert _notes(path) == ["no folder depth/ was found: depth is made up"]


@pytest.mark.parametrize("given", ["folder", "above", "clear", "zip"])
@pytest.mark.parametrize("clear", ["", "clear/"])
@pytest.mark.parametrize("depth", ["depth", "Depth"])
def test_depth_maps_are_found_and_are_no_pictures(tmp_path, picture, given, clear, depth):
    source = tmp_path / "top/source"
    for number, name in enumerate(("a", "more/b")):
        picture(source / f"{clear}{name}.png", seed=number)
        path = source / depth / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((24, 32), 100 + number, np.uint8))
    if given == "clear" and clear:
        (source / depth).rename(source / clear / depth)
    places = {"folder": source, "above": source.parent, "clear": source / clear}
    places["zip"] = pathlib.Path(_zipped(source, tmp_path / "set"))
    path = prepare("rendered_haze", tmp_path / "p", source=places[given], hazes=1)
    examples = {example.id: example for example in _all(path)}
    assert set(examples) == {"a_0", "more/b_0"}
    for number, name in enumerate(("a_0", "more/b_0")):
        expected = (100 + number) / 255
        np.testing.assert_allclose(examples[name].extras["depth"], expected, rtol=1e-3)
    assert not _notes(path)


def test_pictures_without_their_depth_map_are_faults(tmp_path, picture):
    source = tmp_path / "source"
    for name in "abcd":
        picture(source / f"clear/{name}.png")
    (source / "depth").mkdir()
    for name in ("a.npy", "b.png", "b.npy", "c_depth.npy"):
        (source / "depth" / name).touch()
    np.save(source / "depth/a.npy", np.ones((24, 32), np.float32))
    with pytest.raises(InputError, match=r"depth/b\.png: b\.npy is a depth map .*; 2 more in"):
        prepare("rendered_haze", tmp_path / "p", source=source)
    path = prepare("rendered_haze", tmp_path / "p", source=source, bad="skip", hazes=1)
    assert [example.id for example in _all(path)] == ["a_0"]
    left_out = json.loads((path / "report.json").read_text())["left_out"]
    reasons = [fault["reason"] for fault in left_out]
    assert reasons[1:] == [f"has no depth map in {source / 'depth'}"] * 2
    (source / "depth/a.npy").unlink()
    with pytest.raises(InputError, match="nothing is left to prepare"):
        prepare("rendered_haze", tmp_path / "q", source=source, bad="skip")


def test_one_folder_holds_all_depth_maps(tmp_path, picture):
    for name in ("x/a", "y/b", "x/depth/a", "y/depth/b"):
        picture(tmp_path / f"source/{name}.png")
    with pytest.raises(
        InputError, match=r"y/depth: is a second folder of depth maps, beside .*x/d"
    ):
        prepare("rendered_haze", tmp_path / "p", source=tmp_path / "source")


def test_a_picture_of_the_users_called_motorcycle_is_one_of_theirs(tmp_path, picture):
    picture(tmp_path / "source/motorcycle_left.png")
    path = prepare("rendered_haze", tmp_path / "p", source=tmp_path / "source", hazes=1)
    assert _all(path)[0].extras["depth"].max() == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1, -1e-3], "holds depths below zero"),
        ([1, 65505], "holds depths above 65504, the largest that is stored"),
        ([0, 0, 0, 1], "is zero in half of the picture or more"),
        ([1e-9], "is zero in half of the picture or more"),
    ],
)
def test_depths_that_cannot_be_used_are_named(tmp_path, picture, values, reason):
    picture(tmp_path / "source/a.png")
    (tmp_path / "source/depth").mkdir()
    depth = np.resize(np.array(values, np.float32), (24, 32))
    np.save(tmp_path / "source/depth/a.npy", depth)
    with pytest.raises(InputError, match=rf"depth/a\.npy: {reason}; see .*; --bad skip"):
        prepare("rendered_haze", tmp_path / "p", source=tmp_path / "source")


def test_the_largest_depth_and_zeros_can_be_used(tmp_path, picture):
    picture(tmp_path / "source/a.png")
    (tmp_path / "source/depth").mkdir()
    depth = np.resize(np.array([0, 65504, 65504], np.float32), (24, 32))
    np.save(tmp_path / "source/depth/a.npy", depth)
    path = prepare("rendered_haze", tmp_path / "p", source=tmp_path / "source", hazes=1)
    np.testing.assert_array_equal(_all(path)[0].extras["depth"], depth)


def test_bad_depth_maps_and_pictures_are_named(tmp_path, picture):
    source = tmp_path / "source"
    picture(source / "clear/a.png")
    (source / "depth").mkdir()
    np.save(source / "depth/a.npy", np.ones((5, 5), np.float32))
    with pytest.raises(InputError, match=r"depth/a\.npy: has another size than a\.png"):
        prepare("rendered_haze", tmp_path / "p", source=source)
    (source / "depth/a.npy").unlink()
    (source / "clear/a.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"clear/a\.png"):
        prepare("rendered_haze", tmp_path / "p", source=source)
    assert not (tmp_path / "p").exists()
