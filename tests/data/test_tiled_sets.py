import itertools
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from record_sets import png, write_set

from dehaze_jax.data import (
    Cut,
    DataConfig,
    encode_picture,
    open_prepared,
    prepare,
    split_sizes,
    train_batches,
)
from dehaze_jax.data.maps import TiledMaps
from dehaze_jax.data.sources import open_training
from dehaze_jax.errors import InputError

SIZES = ((70, 90), (64, 64), (33, 129))


def _examples(dtype=np.uint8):
    rng = np.random.default_rng(0)
    examples = []
    for number, size in enumerate(SIZES):
        colours = {
            key: rng.integers(0, np.iinfo(dtype).max, (*size, 3), dtype, endpoint=True)
            for key in ("hazy", "clear")
        }
        examples.append(
            {
                "id": f"e{number}",
                **colours,
                "transmission": rng.integers(0, 65536, size, np.uint16),
                "depth": rng.random(size).astype(np.float16),
                "airlight": rng.random(3, np.float32),
            }
        )
    return examples


@pytest.fixture(scope="module")
def examples():
    return _examples()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, examples):
    return write_set(tmp_path_factory.mktemp("sets") / "whole", examples)


@pytest.fixture(scope="module")
def tiled(tmp_path_factory, examples):
    return write_set(tmp_path_factory.mktemp("sets") / "tiled", examples, tile=32)


@pytest.fixture
def decoded(monkeypatch):
    """The sizes of what this thread has OpenCV decode, in order."""
    sizes = []
    decode, this = cv2.imdecode, threading.get_ident()

    def counting(*given):
        pixels = decode(*given)
        if threading.get_ident() == this:
            sizes.append(pixels.shape[:2])
        return pixels

    monkeypatch.setattr(cv2, "imdecode", counting)
    return sizes


def _same(example, expected):
    assert example.id == expected["id"]
    for key in ("hazy", "clear"):
        found = getattr(example, key)
        assert found.dtype == expected[key].dtype
        np.testing.assert_array_equal(found, expected[key])
    assert set(example.extras) == {"transmission", "depth", "airlight"}
    transmission = expected["transmission"][..., None] / np.float32(65535)
    np.testing.assert_array_equal(example.extras["transmission"], transmission)
    np.testing.assert_array_equal(example.extras["depth"], expected["depth"].astype(np.float32))
    np.testing.assert_array_equal(example.extras["airlight"], expected["airlight"])


@pytest.mark.parametrize("kind", ["whole", "tiled"])
def test_both_kinds_give_whole_frames_exactly(kind, examples, request):
    prepared = open_prepared(request.getfixturevalue(kind), "train")
    assert len(prepared) == len(examples)
    for example, expected in zip(prepared, examples, strict=True):
        _same(example, expected)


def test_tiles_of_16_bits_and_of_one_a_picture(tmp_path):
    examples = _examples(dtype=np.uint16)
    for tile in (16, 256):
        prepared = open_prepared(write_set(tmp_path / str(tile), examples, tile=tile), "train")
        for example, expected in zip(prepared, examples, strict=True):
            _same(example, expected)


def test_tiles_that_prepare_writes_hold_what_it_writes_whole(tmp_path):
    name, options = "rendered_haze/landscapes", {"size": (40, 56), "scenes": 2, "hazes": 1}
    whole = prepare(name, tmp_path / "whole", **options)
    tiled = prepare(name, tmp_path / "tiled", **options, tiles=16)
    keys = ("hazy", "clear", "transmission", "depth", "airlight", "beta")
    for split, count in split_sizes(whole).items():
        left, right = (open_prepared(folder, split) for folder in (whole, tiled))
        for number in range(count):
            frames, tiles = left.maps(number, keys), right.maps(number, keys)
            assert isinstance(tiles, TiledMaps)
            assert set(tiles.tiles) == {"hazy", "clear", "transmission", "depth"}
            for place in (None, (slice(9, 35), slice(20, 50))):
                expected, found = frames.part(place), tiles.part(place)
                assert found.keys() == expected.keys() == set(keys)
                for key in keys:
                    np.testing.assert_array_equal(found[key], expected[key])


def test_a_part_decodes_the_tiles_that_it_touches(tiled, examples, decoded):
    maps = open_prepared(tiled, "train").maps(0, ("hazy", "clear", "transmission", "airlight"))
    assert maps.size == (70, 90)
    assert not decoded
    part = maps.part((slice(30, 33), slice(64, 90)))  # rows of two tiles, columns of one
    assert decoded == 3 * [(32, 26), (32, 26)]
    np.testing.assert_array_equal(part["clear"], examples[0]["clear"][30:33, 64:90])
    assert part["transmission"].shape == (3, 26, 1)
    np.testing.assert_array_equal(part["airlight"], examples[0]["airlight"])
    decoded.clear()
    maps.part((slice(0, 32), slice(0, 32)))
    assert decoded == 3 * [(32, 32)]


@pytest.mark.parametrize(
    "options",
    [
        {"crop": "native"},
        {"crop": "native", "crop_size": 100},
        {"crop": "scaled", "crop_scale": (0.2, 0.9)},
        {"crop": "whole"},
    ],
)
def test_whole_frames_and_tiles_give_the_same_batches_bit_for_bit(whole, tiled, options):
    batches = [
        list(
            itertools.islice(
                train_batches(
                    DataConfig(train=(str(folder),), batch_size=4, **{"crop_size": 24, **options}),
                    seed=3,
                    depth=True,
                ),
                4,
            )
        )
        for folder in (whole, tiled)
    ]
    for left, right in zip(*batches, strict=True):
        assert set(left) == {"hazy", "clear", "transmission", "depth", "airlight", "bad"}
        assert left.keys() == right.keys()
        for key in left:
            np.testing.assert_array_equal(left[key], right[key])


@pytest.mark.parametrize("crop", ["native", "scaled"])
def test_a_training_crop_decodes_only_what_it_touches(tiled, decoded, crop):
    config = DataConfig(train=(str(tiled),), crop=crop, crop_size=16, crop_scale=(0.3, 0.6))
    ((source,),) = open_training(config)
    cut = Cut(config)
    for seed in range(20):
        maps = source[seed % 3]
        decoded.clear()
        cut(maps, np.random.default_rng(seed))
        place = cut.choose(*maps.size, np.random.default_rng(seed)).place
        rows, columns = (range(s.start // 32, (s.stop - 1) // 32 + 1) for s in place)
        assert len(decoded) == 3 * len(rows) * len(columns)


def test_tiles_may_be_jpeg(tmp_path, examples):
    jpeg = [{key: example[key] for key in ("id", "hazy", "clear")} for example in examples]
    encode = lambda pixels: encode_picture(np.ascontiguousarray(pixels), quality=90)  # noqa: E731
    tiles = open_prepared(write_set(tmp_path / "t", jpeg, tile=32, encode=encode), "train")
    frames = open_prepared(write_set(tmp_path / "w", jpeg, encode=encode), "train")
    for left, right, raw in zip(tiles, frames, jpeg, strict=True):
        np.testing.assert_array_equal(left.hazy, right.hazy)
        assert not np.array_equal(left.hazy, raw["hazy"])


def test_damaged_tiles_are_named_by_their_example(tmp_path, examples):
    short = [{**example, "clear": example["clear"][:40]} for example in examples]
    stored = write_set(tmp_path / "short", short[:1], tile=32)
    prepared = open_prepared(stored, "train")  # hazy says 70 rows, clear has tiles for 40
    with pytest.raises(InputError, match=r"short \(train, example 0\): cannot be read"):
        _ = prepared[0]
    assert prepared.maps(0, ("airlight",)).part().keys() == {"airlight"}

    def broken(pixels):
        return png(pixels) if pixels.shape[0] == 32 else b"no picture"

    prepared = open_prepared(
        write_set(tmp_path / "broken", examples, tile=32, encode=broken), "train"
    )
    part = prepared.maps(0, ("hazy",)).part((slice(0, 64), slice(0, 9)))
    np.testing.assert_array_equal(part["hazy"], examples[0]["hazy"][:64, :9])
    with pytest.raises(InputError, match=r"broken \(train, example 0\): cannot be read"):
        prepared.maps(0, ("hazy",)).part((slice(0, 65), slice(0, 9)))


def test_maps_of_different_sizes_are_refused(tmp_path, examples):
    for tile in (None, 32):
        wrong = [{**examples[0], "depth": examples[0]["depth"][:-1]}]
        prepared = open_prepared(write_set(tmp_path / str(tile), wrong, tile=tile), "train")
        with pytest.raises(InputError, match=r"example 0\): cannot be read"):
            _ = prepared[0]
        assert prepared.read(0).id == "e0"


@pytest.fixture
def one_sided(tmp_path, examples):
    """Datasets of hazy, or of clear pictures only."""
    return {
        key: write_set(tmp_path / f"only-{key}", [{k: e[k] for k in ("id", key)} for e in examples])
        for key in ("hazy", "clear")
    }


def test_a_set_without_pairs_opens_for_what_it_has(one_sided, examples):
    for key, folder in one_sided.items():
        prepared = open_prepared(folder, "train", needs=(key,))
        assert prepared.keys == {"id", key}
        for number, expected in enumerate(examples):
            part = prepared.maps(number, (key,)).part()
            np.testing.assert_array_equal(part[key], expected[key])


def test_pairs_are_not_had_from_a_set_without(one_sided, whole):
    hazy, clear = (str(one_sided[key]) for key in ("hazy", "clear"))
    calls = (
        lambda: open_prepared(hazy, "train"),
        lambda: train_batches(DataConfig(train=(str(whole), hazy)), seed=0),
        lambda: train_batches(DataConfig(train=(clear,), clear=(hazy,)), seed=0),
        lambda: open_prepared(hazy, "train", needs=("hazy",))[0],
    )
    for call, lacks, folder in zip(
        calls, ("clear", "clear", "hazy", "clear"), (hazy, hazy, clear, hazy), strict=True
    ):
        with pytest.raises(InputError) as raised:
            call()
        assert str(raised.value) == f"{folder}: holds no {lacks} pictures"


def test_training_without_pairs_takes_each_side_from_a_set_of_its_own(one_sided, examples):
    config = DataConfig(
        train=(str(one_sided["hazy"]),),
        clear=(str(one_sided["clear"]),),
        batch_size=3,
        crop="whole",
        crop_size=8,
        flips=False,
        rotations=False,
    )
    (batch,) = itertools.islice(train_batches(config, seed=0), 1)
    for key in ("hazy", "clear"):
        wanted = [
            cv2.resize(e[key].astype(np.float32) / 255, (8, 8), interpolation=cv2.INTER_AREA)
            for e in examples
        ]
        distances = np.abs(batch[key][:, None] - np.stack(wanted)).max(axis=(2, 3, 4))
        assert sorted(distances.argmin(axis=1)) == [0, 1, 2]
        assert distances.min(axis=1).max() < 1e-5


def test_features_that_are_no_dataset_of_ours_are_refused(tmp_path):
    folder = write_set(tmp_path / "other", [{"id": "a", "depth": np.ones((4, 4), np.float16)}])
    with pytest.raises(InputError, match="other: has no features id and hazy or clear"):
        open_prepared(folder, "train", needs=())


def test_reading_tiles_leaves_jax_alone(tiled):
    code = """
import sys
import numpy as np
from dehaze_jax.data import Cut, DataConfig
from dehaze_jax.data.sources import open_training
config = DataConfig(train=(sys.argv[1],), crop="native", crop_size=8)
((source,),) = open_training(config)
Cut(config)(source[0], np.random.default_rng(0))
loaded = [name for name in ("jax", "tensorflow", "grain") if name in sys.modules]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code, str(tiled)], check=True)
