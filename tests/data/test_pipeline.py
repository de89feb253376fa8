import itertools
import subprocess
import sys

import numpy as np
import pytest

from dehaze_jax.data import DataConfig, fingerprint, open_prepared, prepare, train_batches
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


@pytest.mark.slow
def test_workers_change_nothing_and_start_no_device(pairs):
    code = """
import itertools, sys
import numpy as np
from dehaze_jax.data import DataConfig, train_batches

if __name__ == "__main__":
    def read(workers):
        config = DataConfig(train=(sys.argv[1],), batch_size=4, crop_size=8, workers=workers)
        return list(itertools.islice(train_batches(config, seed=3, start_step=2), 5))
    for left, right in zip(read(0), read(2), strict=True):
        np.testing.assert_array_equal(left["hazy"], right["hazy"])
        np.testing.assert_array_equal(left["clear"], right["clear"])
    from jax._src import xla_bridge
    assert not xla_bridge.backends_are_initialized()
"""
    script = f"{pairs}/../script.py"
    with open(script, "w") as file:
        file.write(code)
    subprocess.run([sys.executable, script, pairs], check=True, timeout=120)


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
