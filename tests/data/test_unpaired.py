import itertools
import pathlib
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tifffile
from scipy.stats import chi2

from dehaze_jax.data import (
    DataConfig,
    batch_names,
    fingerprint,
    open_prepared,
    prepare,
    train_batches,
)
from dehaze_jax.data.sources import open_training
from dehaze_jax.errors import InputError


def _write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]] if pixels.ndim == 3 else pixels
    done, data = cv2.imencode(".png", ordered)
    assert done
    path.write_bytes(data.tobytes())


@pytest.fixture
def levels(tmp_path):
    """Makes a folder of small grey pictures, told apart by their level: `first` and upwards."""

    def make(name, first, count, size=(4, 6)):
        for level in range(first, first + count):
            _write(tmp_path / name / f"{level:03d}.png", np.full((*size, 3), level, np.uint8))
        return str(tmp_path / name)

    return make


@pytest.fixture
def folders(levels):
    """Eleven hazy pictures from level 10 on, seventeen clear ones from 100 on."""
    return {"train": (levels("hazy", 10, 11),), "clear": (levels("clear", 100, 17),)}


@pytest.fixture
def prepared(tmp_path, levels):
    """Pairs 10 and 110, 11 and 111 and so on; the training split has 24 of them."""
    for side, first in (("hazy", 10), ("clear", 110)):
        levels(f"pairs/{side}", first, 30)
        for path in sorted((tmp_path / "pairs" / side).iterdir()):
            path.rename(path.with_name(f"{int(path.stem) - first:03d}.png"))
    return str(prepare("paired_folder", tmp_path / "prepared", source=tmp_path / "pairs"))


def _batches(config, count, **options):
    return list(itertools.islice(train_batches(config, **{"seed": 0, **options}), count))


def _sequence(count, *, seed=0, **options):
    """Levels of the hazy and of the clear pictures, in order of the positions."""
    config = DataConfig(batch_size=8, crop_size=2, **options)
    batches = _batches(config, -(-count // 8), seed=seed)
    found = {}
    for side in ("hazy", "clear"):
        pictures = np.concatenate([batch[side] for batch in batches])[:count]
        assert np.ptp(pictures, axis=(1, 2, 3)).max() == 0
        found[side] = np.round(pictures[:, 0, 0, 0] * 255).astype(int).tolist()
    return found


def _same(left, right):
    assert left.keys() == right.keys()
    for key in left:
        np.testing.assert_array_equal(left[key], right[key])


def test_batches_hold_hazy_and_clear_pictures_and_nothing_else(folders, tmp_path):
    known = tmp_path / "known"  # has transmission and airlight
    prepare("rendered_haze/landscapes", known, size=(24, 32), scenes=1, hazes=3)
    for train in ((str(known),), (*folders["train"], str(known))):
        config = DataConfig(train=train, clear=folders["clear"], batch_size=2, crop_size=16)
        (batch,) = _batches(config, 1)
        shapes = {key: (value.shape, value.dtype.name) for key, value in batch.items()}
        expected = dict.fromkeys(("hazy", "clear"), ((2, 16, 16, 3), "float32"))
        assert shapes == expected | {"bad": ((2,), "int32")}


def test_each_side_gives_each_picture_once_in_every_pass_in_a_new_order(folders):
    found = _sequence(112, **folders)
    for side, first, count in (("hazy", 10, 11), ("clear", 100, 17)):
        passes = [found[side][start : start + count] for start in range(0, 3 * count, count)]
        assert all(sorted(one) == list(range(first, first + count)) for one in passes)
        assert len({tuple(one) for one in passes}) == 3
    partners = {}
    for hazy, clear in zip(found["hazy"], found["clear"], strict=True):
        partners.setdefault(hazy, set()).add(clear)
    assert min(map(len, partners.values())) > 3


def test_the_order_of_one_side_does_not_depend_on_the_other(folders, levels, tmp_path):
    before = _sequence(24, **folders)
    _write(tmp_path / "hazy" / "000.png", np.full((4, 6, 3), 50, np.uint8))
    more_hazy = _sequence(24, **folders)
    assert more_hazy["clear"] == before["clear"]
    assert more_hazy["hazy"] != before["hazy"]
    (tmp_path / "hazy" / "000.png").unlink()
    _write(tmp_path / "clear" / "000.png", np.full((4, 6, 3), 150, np.uint8))
    more_clear = _sequence(24, **folders)
    assert more_clear["hazy"] == before["hazy"]
    assert more_clear["clear"] != before["clear"]
    (tmp_path / "clear" / "000.png").unlink()

    further = levels("further", 60, 5)
    two = {"train": (*folders["train"], further), "weights": (1.0, 2.0)}
    assert _sequence(24, **folders | two)["clear"] == before["clear"]
    two = {"clear": (*folders["clear"], further), "clear_weights": (1.0, 2.0)}
    assert _sequence(24, **folders | two)["hazy"] == before["hazy"]


def test_a_prepared_directory_on_both_sides_is_not_paired(prepared):
    size, passes = len(open_prepared(prepared, "train")), 12
    assert size == 24
    found = _sequence(passes * size, train=(prepared,), clear=(prepared,))
    hazy, clear = np.array(found["hazy"]) - 10, np.array(found["clear"]) - 110
    names = sorted(set(hazy))
    assert names == sorted(set(clear))
    assert len(names) == size

    # In independent orders every hazy picture meets every clear one equally often.
    table = np.zeros((30, 30))
    np.add.at(table, (hazy, clear), 1)
    table = table[np.ix_(names, names)]
    expected = passes / size
    statistic = np.square(table - expected).sum() / expected
    assert 0.001 < chi2.cdf(statistic, (size - 1) ** 2) < 0.999
    assert abs(np.corrcoef(hazy, clear)[0, 1]) < 4 / np.sqrt(len(hazy))
    assert np.trace(table) == pytest.approx(passes, abs=4 * np.sqrt(passes))
    # Nor does one side go through the orders of the other some passes later.
    orders = [{tuple(one) for one in side.reshape(passes, size)} for side in (hazy, clear)]
    assert [len(one) for one in orders] == [passes, passes]
    assert not orders[0] & orders[1]


def _two_folders(levels):
    """Two a side; the levels of the second one end in 60 to 99."""
    return {
        side: (levels(f"{side}1", first, 40), levels(f"{side}2", first + 50, 40))
        for side, first in (("train", 10), ("clear", 110))
    }


def test_folders_of_the_two_sides_do_not_keep_together(levels):
    found = _sequence(256, **_two_folders(levels))
    second = {side: np.array(found[side]) % 100 >= 60 for side in found}
    met = [np.sum((second["hazy"] == a) & (second["clear"] == b)) for a in (0, 1) for b in (0, 1)]
    assert sum(met) == 256
    assert min(met) > 40


@pytest.mark.parametrize(
    ("weights", "clear_weights", "shares"),
    [
        ((), (3.0, 1.0), {"hazy": 0.5, "clear": 0.25}),
        ((3.0, 1.0), (0.1, 0.9), {"hazy": 0.25, "clear": 0.9}),
        ((0.1, 0.9), (), {"hazy": 0.9, "clear": 0.5}),
    ],
)
def test_weights_are_the_shares_of_each_side(levels, weights, clear_weights, shares):
    # Two windows, within which the clear ones are shuffled: no remainder.
    found = _sequence(128, **_two_folders(levels), weights=weights, clear_weights=clear_weights)
    for side, share in shares.items():
        assert np.mean(np.array(found[side]) % 100 >= 60) == pytest.approx(share, abs=0.01)


def test_batch_i_does_not_depend_on_where_the_run_started(folders, levels):
    clear = (*folders["clear"], levels("further", 60, 5))
    config = DataConfig(train=folders["train"], clear=clear, batch_size=4, crop_size=2)
    straight = _batches(config, 6)
    for start in (1, 4):
        for left, right in zip(
            straight[start:], _batches(config, 6 - start, start_step=start), strict=True
        ):
            _same(left, right)
    assert not np.array_equal(straight[0]["clear"], _batches(config, 1, seed=1)[0]["clear"])
    assert not np.array_equal(straight[0]["hazy"], _batches(config, 1, seed=1)[0]["hazy"])


@pytest.mark.parametrize("count", [2, 4])
def test_processes_read_contiguous_parts_of_one_batch(folders, count):
    config = DataConfig(**folders, batch_size=4, crop_size=2)
    whole = _batches(config, 2, start_step=2)
    parts = [
        _batches(config, 2, start_step=2, process_index=index, process_count=count)
        for index in range(count)
    ]
    for step, batch in enumerate(whole):
        joined = {key: np.concatenate([part[step][key] for part in parts]) for key in batch}
        _same(batch, joined)


def test_cuts_as_published_and_independent_on_the_two_sides(tmp_path):
    # Every pixel tells its row and column: the full shorter side, anywhere along the longer one.
    rows, columns = np.meshgrid(np.arange(12), np.arange(18), indexing="ij")
    places = np.stack([rows, columns, 0 * rows], axis=-1).astype(np.uint8)
    for side, number in itertools.product(("hazy", "clear"), range(32)):
        _write(tmp_path / side / f"{number}.png", places)
    config = DataConfig(
        train=(str(tmp_path / "hazy"),),
        clear=(str(tmp_path / "clear"),),
        batch_size=50,
        crop_size=12,
        crop_scale=(1.0, 1.0),
        rotations=False,
    )
    lefts, flips = {}, {}
    batches = _batches(config, 2)
    for side in ("hazy", "clear"):
        cuts = np.round(np.concatenate([batch[side] for batch in batches]) * 255).astype(int)
        np.testing.assert_array_equal(cuts[..., 0], np.broadcast_to(rows[:, :12], (100, 12, 12)))
        first, last = cuts[:, 0, 0, 1], cuts[:, 0, -1, 1]
        np.testing.assert_array_equal(abs(first - last), 11)
        lefts[side], flips[side] = np.minimum(first, last), first > last
        assert set(lefts[side]) == set(range(7))
        assert 30 < flips[side].sum() < 70
    assert np.mean(lefts["hazy"] == lefts["clear"]) == pytest.approx(1 / 7, abs=0.12)
    assert np.mean(flips["hazy"] == flips["clear"]) == pytest.approx(0.5, abs=0.15)


def test_every_kind_of_picture_is_read(tmp_path):
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (4, 8, 8, 3), np.uint8)
    deep = rng.integers(0, 65536, (8, 8, 3), np.uint16)
    real = rng.random((8, 8, 3), np.float32)
    _write(tmp_path / "clear" / "colour.png", colour[0])
    _write(tmp_path / "clear" / "part" / "alpha.png", np.dstack([colour[1], colour[0][..., 0]]))
    _write(tmp_path / "clear" / "part" / "grey.png", colour[2][..., 0])
    _write(tmp_path / "clear" / "deep.png", deep)
    _write(tmp_path / "clear" / "deep grey.png", deep[..., 0])
    tifffile.imwrite(tmp_path / "clear" / "real.tif", real, photometric="rgb")
    expected = {
        "colour": colour[0] / 255,
        "alpha": colour[1] / 255,
        "grey": np.repeat(colour[2][..., :1], 3, axis=-1) / 255,
        "deep": deep / 65535,
        "deep grey": np.repeat(deep[..., :1], 3, axis=-1) / 65535,
        "real": real,
    }
    # Pictures smaller than the cut: one pixel is enlarged to all of it.
    for level in (51, 102, 153):
        _write(tmp_path / "hazy" / f"{level}.png", np.full((1, 1), level, np.uint8))
    config = DataConfig(
        train=(str(tmp_path / "hazy"),),
        clear=(str(tmp_path / "clear"),),
        batch_size=6,
        crop_size=8,
        crop_scale=(1.0, 1.0),
        flips=False,
        rotations=False,
    )
    (batch,) = _batches(config, 1)
    for wanted in expected.values():
        differences = np.abs(batch["clear"] - wanted.astype(np.float32)).max(axis=(1, 2, 3))
        assert differences.min() < 1e-6
    assert sorted(np.round(batch["hazy"].mean(axis=(1, 2, 3)), 4)) == pytest.approx(
        [0.2, 0.2, 0.4, 0.4, 0.6, 0.6]
    )
    assert np.ptp(batch["hazy"], axis=(1, 2, 3)).max() < 1e-6


def test_of_a_prepared_directory_one_picture_is_decoded(prepared, folders, monkeypatch):
    decoded = []
    decode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *given: decoded.append(1) or decode(*given))
    ((hazy,), _) = open_training(DataConfig(train=(prepared,), clear=folders["clear"]))
    (_, (clear,)) = open_training(DataConfig(train=folders["train"], clear=(prepared,)))
    example = open_prepared(prepared, "train")[3]
    for source, key in ((hazy, "hazy"), (clear, "clear")):
        decoded.clear()
        maps = source[3].part()
        assert set(maps) == {key}
        assert len(decoded) == 1
        np.testing.assert_array_equal(maps[key], getattr(example, key))


def test_the_split_of_prepared_directories_is_chosen(prepared, folders):
    config = DataConfig(train=(prepared,), clear=(prepared,), train_split="test")
    assert [len(source) for (source,) in open_training(config)] == [3, 3]


def test_fingerprint_follows_the_content_of_both_sides(tmp_path, folders, prepared, levels):
    config = DataConfig(**folders)
    base = fingerprint(config)
    assert fingerprint(DataConfig(**folders, batch_size=2)) == base
    moved = {
        field: (str(shutil.copytree(folder, tmp_path / f"moved {field}")),)
        for field, (folder,) in folders.items()
    }
    assert fingerprint(DataConfig(**moved)) == base
    seen = {
        base,
        fingerprint(DataConfig(train=folders["clear"], clear=folders["train"])),
        fingerprint(DataConfig(train=(prepared,), clear=folders["clear"])),
        fingerprint(DataConfig(train=(prepared,), clear=(prepared,))),
        fingerprint(DataConfig(train=(prepared,))),
        fingerprint(DataConfig(train=(prepared,), validation=(prepared,))),
        fingerprint(DataConfig(**folders, validation=(prepared,))),
    }
    assert len(seen) == 7
    for field in ("train", "clear"):
        one = sorted((tmp_path / f"moved {field}").iterdir())[2]
        content = one.read_bytes()
        _write(one, np.full((4, 6, 3), 250, np.uint8))
        assert fingerprint(DataConfig(**moved)) not in seen
        one.write_bytes(content)
        assert fingerprint(DataConfig(**moved)) == base


@pytest.mark.parametrize("side", ["train", "clear"])
def test_folders_that_cannot_be_used_are_named(tmp_path, folders, levels, side):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.txt").write_text("no picture")
    (tmp_path / "file.png").write_bytes(b"")
    alone = levels("alone", 7, 1)
    for folder, reason in (
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "file.png", "not a folder"),
        (tmp_path / "empty", "holds no picture"),
        (tmp_path / "notes", "holds no picture"),
        (alone, "holds a single picture; adversarial training would only learn that one"),
    ):
        config = DataConfig(**folders | {side: (*folders[side], str(folder))})
        for call in (fingerprint, lambda config: train_batches(config, seed=0)):
            with pytest.raises(InputError) as raised:
                call(config)
            assert str(raised.value) == f"{folder}: {reason}"


def test_a_prepared_directory_of_one_example_is_refused_too(tmp_path, folders):
    lonely = tmp_path / "lonely"
    prepare("rendered_haze/landscapes", lonely, size=(24, 32), scenes=1, hazes=1)
    with pytest.raises(InputError, match="lonely: holds a single picture"):
        open_training(DataConfig(train=(str(lonely),), clear=folders["clear"]))


def test_the_same_pictures_on_both_sides_are_refused(tmp_path, folders, levels):
    (hazy,), (clear,) = folders["train"], folders["clear"]
    link = tmp_path / "link"
    link.symlink_to(hazy)
    for other in (hazy, str(link), f"{hazy}/../hazy"):
        with pytest.raises(InputError, match="is given for the hazy and for the clear pictures"):
            open_training(DataConfig(train=(hazy,), clear=(clear, other)))
    with pytest.raises(InputError, match=r"clear/100\.png: is among the hazy and among the clear"):
        open_training(DataConfig(train=(str(tmp_path),), clear=(clear,)))
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("10", "11"):
        (linked / f"{name}.png").symlink_to(f"{hazy}/0{name}.png")
    with pytest.raises(InputError, match=r"linked/10\.png: is among the hazy and among the clear"):
        open_training(DataConfig(train=(hazy,), clear=(str(linked),)))


def test_a_damaged_file_is_named_when_it_is_read(folders, tmp_path):
    damaged = tmp_path / "clear" / "105.png"
    damaged.write_bytes(damaged.read_bytes()[:40])
    config = DataConfig(**folders, batch_size=1, crop_size=2, max_bad_share=0.0)
    with pytest.raises(InputError, match=r"clear/105\.png: cannot be read"):
        _batches(config, 17)


def test_a_file_that_has_gone_is_named(folders, tmp_path):
    (_, (clear,)) = open_training(DataConfig(**folders))
    (tmp_path / "clear" / "105.png").unlink()
    with pytest.raises(InputError, match=r"105\.png: cannot be read: No such file"):
        _ = clear.fingerprint


def test_what_a_loader_worker_imports_leaves_jax_alone(folders, prepared):
    code = """
import sys
import numpy as np
from dehaze_jax.data import Cut, DataConfig
from dehaze_jax.data.sources import open_training
config = DataConfig(train=(sys.argv[1], sys.argv[3]), clear=(sys.argv[2],), crop_size=2)
for side in open_training(config):
    for source in side:
        Cut(config)(source[0], np.random.default_rng(0))
loaded = [name for name in ("jax", "tensorflow", "grain") if name in sys.modules]
assert not loaded, loaded
"""
    command = [sys.executable, "-c", code, *folders["train"], *folders["clear"], prepared]
    subprocess.run(command, check=True)


def test_workers_change_nothing_start_no_device_and_name_a_damaged_file(tmp_path, folders, levels):
    code = """
import itertools, sys
import numpy as np
from dehaze_jax.data import DataConfig, train_batches
from dehaze_jax.errors import InputError

if __name__ == "__main__":
    hazy, clear, further = sys.argv[1:]

    def read(workers, clear, count):
        options = {"batch_size": 4, "crop_size": 2, "workers": workers, "max_bad_share": 0}
        config = DataConfig(train=(hazy,), clear=clear, **options)
        return list(itertools.islice(train_batches(config, seed=3, start_step=2), count))
    for left, right in zip(read(0, (clear, further), 5), read(2, (clear, further), 5), strict=True):
        np.testing.assert_array_equal(left["hazy"], right["hazy"])
        np.testing.assert_array_equal(left["clear"], right["clear"])
    with open(f"{clear}/105.png", "wb") as file:
        file.write(b"not a picture")
    try:
        read(1, (clear,), 10)
    except InputError as error:
        print(error)
    from jax._src import xla_bridge
    assert not xla_bridge.backends_are_initialized()
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    further = levels("further", 60, 5)
    command = [sys.executable, str(script), *folders["train"], *folders["clear"], further]
    done = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    assert done.stdout.startswith(f"{tmp_path}/clear/105.png: cannot be read")


@pytest.mark.parametrize("step", [0, 5])
def test_names_are_those_of_what_is_drawn(folders, step):
    config = DataConfig(**folders, batch_size=8, crop_size=2)
    (batch,) = _batches(config, 1, start_step=step)
    levels = [
        round(float(side[place].mean()) * 255)
        for place in range(8)
        for side in (batch["hazy"], batch["clear"])
    ]
    names = batch_names(config, seed=0, step=step)
    assert [int(pathlib.Path(name).stem) for name in names] == levels


def test_names_of_pairs(prepared):
    config = DataConfig(train=(prepared,), batch_size=8, crop_size=2)
    (batch,) = _batches(config, 1, start_step=2)
    levels = [round(float(hazy.mean()) * 255) for hazy in batch["hazy"]]
    names = batch_names(config, seed=0, step=2)
    assert names == [f"{prepared}: {level - 10:03d}" for level in levels]
