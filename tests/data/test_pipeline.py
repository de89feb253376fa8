import itertools

import numpy as np
import pytest
from record_sets import write_set

from dehaze_jax.data import (
    DataConfig,
    eval_batches,
    fingerprint,
    open_prepared,
    prepare,
    train_batches,
)
from dehaze_jax.errors import InputError


@pytest.fixture(scope="module")
def landscapes(tmp_path_factory):
    to = tmp_path_factory.mktemp("data") / "landscapes"
    prepare("rendered_haze/landscapes", to, size=(24, 32), scenes=4, hazes=2)
    return str(to)


@pytest.fixture
def pairs(tmp_path, pairs_folder):
    source = pairs_folder(count=7)
    return str(prepare("paired_folder", tmp_path / "prepared", source=source))


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """A validation split of five pairs."""
    rng = np.random.default_rng(0)
    examples = [
        {
            "id": f"e{k}",
            **{key: rng.integers(0, 256, (9 + k, 12, 3), np.uint8) for key in ("hazy", "clear")},
        }
        for k in range(5)
    ]
    return str(write_set(tmp_path_factory.mktemp("five") / "set", examples, split="validation"))


def _batches(config, count, **options):
    return list(itertools.islice(train_batches(config, **{"seed": 0, **options}), count))


def _same(left, right):
    assert left.keys() == right.keys()
    for key in left:
        np.testing.assert_array_equal(left[key], right[key])


def test_batches_have_the_agreed_form(landscapes):
    (batch,) = _batches(DataConfig(train=(landscapes,), batch_size=3, crop_size=16), 1)
    shapes = {key: (value.shape, value.dtype.name) for key, value in batch.items()}
    assert shapes == {
        "hazy": ((3, 16, 16, 3), "float32"),
        "clear": ((3, 16, 16, 3), "float32"),
        "transmission": ((3, 16, 16, 1), "float32"),
        "airlight": ((3, 3), "float32"),
        "bad": ((3,), "int32"),
    }


def test_the_scattering_model_holds_in_every_batch(landscapes):
    # Cutting, averaging areas and turning are linear and the same for all maps, up to the products.
    config = DataConfig(train=(landscapes,), batch_size=4, crop_size=24, crop_scale=(1.0, 1.0))
    for batch in _batches(config, 3):
        t, airlight = batch["transmission"], batch["airlight"][:, None, None, :]
        composed = batch["clear"] * t + airlight * (1 - t)
        np.testing.assert_allclose(batch["hazy"], composed, atol=0.6 / 255)


def test_batch_i_does_not_depend_on_where_the_run_started(pairs):
    config = DataConfig(train=(pairs,), batch_size=4, crop_size=8)
    straight = _batches(config, 8)
    for start in (1, 5):
        for left, right in zip(
            straight[start:], _batches(config, 8 - start, start_step=start), strict=True
        ):
            _same(left, right)


def test_seed_changes_batches(pairs):
    config = DataConfig(train=(pairs,), batch_size=4, crop_size=8)
    (first,), (again,), (other,) = (_batches(config, 1, seed=seed) for seed in (0, 0, 1))
    _same(first, again)
    assert not np.array_equal(first["hazy"], other["hazy"])


@pytest.mark.parametrize("count", [2, 4])
def test_processes_read_contiguous_parts_of_one_batch(pairs, count):
    config = DataConfig(train=(pairs,), batch_size=8, crop_size=8)
    whole = _batches(config, 3, start_step=2)
    parts = [
        _batches(config, 3, start_step=2, process_index=index, process_count=count)
        for index in range(count)
    ]
    for step, batch in enumerate(whole):
        joined = {key: np.concatenate([part[step][key] for part in parts]) for key in batch}
        _same(batch, joined)


def test_every_pass_holds_every_example_once_in_a_new_order(pairs):
    examples = open_prepared(pairs, "train")
    size = len(examples)
    config = DataConfig(
        train=(pairs,),
        batch_size=1,
        crop_size=40,
        crop_scale=(1.0, 1.0),
        flips=False,
        rotations=False,
    )
    means = {round(float(example.clear[:, 8:48].mean()), 3): example.id for example in examples}
    assert len(means) == size

    def identify(batch):
        # The cut may lie anywhere along the width; find the picture that holds it.
        rows = np.round(batch["clear"][0] * 255).astype(np.uint8)
        for example in examples:
            for left in range(example.clear.shape[1] - 39):
                if np.array_equal(example.clear[:, left : left + 40], rows):
                    return example.id
        raise AssertionError("a cut of no picture")

    order = [identify(batch) for batch in _batches(config, 3 * size)]
    passes = [order[start : start + size] for start in range(0, 3 * size, size)]
    for one in passes:
        assert sorted(one) == sorted(means.values())
    assert passes[0] != passes[1] or passes[1] != passes[2]


def test_weights_are_the_shares_of_the_directories(tmp_path, pairs_folder, picture):
    folders = []
    for name, level in (("dark", 0), ("bright", 255)):
        root = pairs_folder(name, count=3)
        for path in root.rglob("*.png"):
            pixels = np.full((16, 16, 3), level, np.uint8)
            from dehaze_jax.data import encode_picture

            path.write_bytes(encode_picture(pixels))
        folders.append(str(prepare("paired_folder", tmp_path / f"p-{name}", source=root)))
    for weights, share in (((), 0.5), ((3.0, 1.0), 0.25), ((0.1, 0.9), 0.9)):
        config = DataConfig(train=tuple(folders), weights=weights, batch_size=20, crop_size=4)
        bright = np.mean([batch["hazy"].mean() for batch in _batches(config, 4)])
        assert bright == pytest.approx(share, abs=0.02)


def test_extras_come_only_if_every_directory_has_them(landscapes, pairs):
    config = DataConfig(train=(landscapes, pairs), batch_size=2, crop_size=8)
    assert set(_batches(config, 1)[0]) == {"hazy", "clear", "bad"}


def test_a_position_means_the_same_for_any_number_of_processes(pairs):
    """A run of one process, gone on with by two and then by four."""
    config = DataConfig(train=(pairs,), batch_size=8, crop_size=8)
    straight = _batches(config, 7)
    step = 0
    for count, steps in ((1, 3), (2, 2), (4, 2)):
        parts = [
            _batches(config, steps, start_step=step, process_index=index, process_count=count)
            for index in range(count)
        ]
        for batches in zip(*parts, strict=True):
            joined = {key: np.concatenate([b[key] for b in batches]) for key in batches[0]}
            _same(joined, straight[step])
            step += 1
    assert step == 7


def _middles(folder, crop_size=8):
    """The middle squares of the pairs of a validation split, in order, by a way of their own."""
    found = {}
    for key in ("hazy", "clear"):
        squares = []
        for example in open_prepared(folder, "validation"):
            picture = getattr(example, key).astype(np.float32) / 255
            top, left = ((length - crop_size) // 2 for length in picture.shape[:2])
            squares.append(picture[top : top + crop_size, left : left + crop_size])
        found[key] = np.stack(squares)
    return found


@pytest.mark.parametrize(("process_count", "workers"), [(1, 0), (2, 0), (1, 2)])
def test_evaluation_takes_each_example_once_and_fills_the_last_batch(five, process_count, workers):
    config = DataConfig(
        validation=(five, five), batch_size=4, crop="native", crop_size=8, workers=workers
    )
    parts = [
        list(eval_batches(config, process_index=index, process_count=process_count))
        for index in range(process_count)
    ]
    assert [len(part) for part in parts] == [3] * process_count
    batches = [
        {key: np.concatenate([b[key] for b in batches]) for key in batches[0]}
        for batches in zip(*parts, strict=True)
    ]
    assert all(set(batch) == {"hazy", "clear", "mask"} for batch in batches)
    mask = np.concatenate([batch["mask"] for batch in batches])
    assert mask.dtype == bool
    assert mask.tolist() == [True] * 10 + [False] * 2
    expected = _middles(five)
    for key in ("hazy", "clear"):
        found = np.concatenate([batch[key] for batch in batches])
        assert found.shape == (12, 8, 8, 3)
        np.testing.assert_array_equal(found[mask], np.concatenate([expected[key]] * 2))


def test_the_split_for_validation_is_chosen(pairs):
    options = {"validation": (pairs,), "batch_size": 2, "crop": "whole", "crop_size": 40}
    found = {}
    for split in ("validation", "train"):
        config = DataConfig(**options, validation_split=split)
        batches = list(eval_batches(config))
        assert sum(int(b["mask"].sum()) for b in batches) == len(open_prepared(pairs, split))
        found[split] = fingerprint(DataConfig(train=(pairs,), **options, validation_split=split))
    assert found["train"] != found["validation"]
    with pytest.raises(InputError, match="has no split 'eval'"):
        eval_batches(DataConfig(**options, validation_split="eval"))


def test_evaluation_asks_for_pairs_that_are_whole(tmp_path, five):
    with pytest.raises(InputError, match=r"DataConfig\.validation: names no prepared directory"):
        eval_batches(DataConfig())
    with pytest.raises(ValueError, match="batch_size 8 is no multiple of 3"):
        eval_batches(DataConfig(validation=(five,)), process_count=3)
    examples = [{"id": "a", **dict.fromkeys(("hazy", "clear"), np.zeros((9, 9, 3), np.uint8))}]
    encode = lambda _: b"no picture"  # noqa: E731
    damaged = write_set(tmp_path / "damaged", examples, encode=encode, split="validation")
    with pytest.raises(InputError, match=r"damaged \(validation, example 0\): cannot be read"):
        next(eval_batches(DataConfig(validation=(str(damaged),), batch_size=1)))


def test_fingerprint_follows_content_and_role(tmp_path, pairs, landscapes):
    base = fingerprint(DataConfig(train=(pairs,)))
    assert fingerprint(DataConfig(train=(pairs,), batch_size=2)) == base
    assert fingerprint(DataConfig(train=(pairs, landscapes))) != base
    assert fingerprint(DataConfig(train=(pairs,), validation=(pairs,))) != base


def test_bad_requests_are_refused(tmp_path, pairs):
    for call in (fingerprint, lambda config: train_batches(config, seed=0)):
        with pytest.raises(InputError, match=r"DataConfig\.train: names no prepared directory"):
            call(DataConfig())
    with pytest.raises(InputError, match="nowhere: does not exist"):
        train_batches(DataConfig(train=(str(tmp_path / "nowhere"),)), seed=0)
    # Pairs come from prepared directories only.
    with pytest.raises(InputError, match="hazy: is not a prepared dataset"):
        train_batches(DataConfig(train=(str(tmp_path / "pairs" / "hazy"),)), seed=0)
    with pytest.raises(ValueError, match="batch_size 8 is no multiple of 3"):
        train_batches(DataConfig(train=(pairs,)), seed=0, process_count=3)


def test_batches_of_processes_leave_nothing_in_shared_memory(pairs):
    config = DataConfig(train=(pairs,), batch_size=2, crop_size=8, workers=1)
    batches = train_batches(config, seed=0)
    batch = next(batches)
    batches.close()
    assert all(type(value) is np.ndarray for value in batch.values())
    assert 0 <= batch["clear"].min() < batch["clear"].max() <= 1  # still there
