"""Public datasets, prepared from tiny copies that are named as the real ones are.

`copies.csv` lists what such copies hold and what is to come out of them.
"""

import csv
import itertools
import json
import pathlib

import cv2
import numpy as np
import pytest

from dehaze_jax.data import list_datasets, open_prepared, prepare
from dehaze_jax.errors import InputError

with pathlib.Path(__file__).with_name("copies.csv").open(newline="") as _file:
    ROWS = list(csv.DictReader(_file))
DATASETS = list(dict.fromkeys((row["copy"], row["dataset"]) for row in ROWS))


def _read(path):
    return cv2.imread(str(path))[..., ::-1]


@pytest.mark.parametrize(("copy", "dataset"), DATASETS)
def test_a_copy_gives_its_ids_partners_and_parameters(tmp_path, copy_of, ids_of, copy, dataset):
    files = [r[kind] for r in ROWS for kind in ("hazy", "clear") if r["copy"] == copy and r[kind]]
    top, _ = copy_of(*(f"{copy}/{name}" for name in dict.fromkeys(files)))
    rows = [row for row in ROWS if (row["copy"], row["dataset"]) == (copy, dataset)]
    by_split = {k: list(g) for k, g in itertools.groupby(rows, key=lambda row: row["split"])}
    path = prepare(dataset, tmp_path / "p", source=top)
    assert ids_of(path) == {split: [r["id"] for r in found] for split, found in by_split.items()}
    pictures = list_datasets()[dataset].pictures
    for split, found in by_split.items():
        prepared = open_prepared(path, split, needs=pictures)
        for number, row in enumerate(found):
            shown = prepared.maps(number, pictures).part()
            for picture in pictures:
                np.testing.assert_array_equal(shown[picture], _read(top / copy / row[picture]))
            if row["clear"]:
                known = {key: float(row[key]) for key in ("airlight", "beta") if row[key]}
                extras = prepared[number].extras
                assert extras.keys() == known.keys()
                for key, value in known.items():
                    size = {"airlight": 3, "beta": 1}[key]
                    np.testing.assert_allclose(np.ravel(extras[key]), [value] * size, rtol=1e-6)
    notes = json.loads((path / "report.json").read_text())["notes"]
    counts = ", ".join(f"{len(found)} {split}" for split, found in by_split.items())
    told = [f"has {counts}"] if list_datasets()[dataset].editions else []
    assert [note.split("; looks like ")[0] for note in notes] == told


def test_every_public_dataset_is_tried():
    public = {name for name, d in list_datasets().items() if d.obtain in ("direct", "manual")}
    apart = {"eight_k_dehaze", "o_haze", "reside_its"}  # the latter two have files of their own
    assert {dataset for _, dataset in DATASETS} == public - apart


def test_the_frame_of_sots_indoor_is_cut_off(tmp_path, picture):
    picture(tmp_path / "indoor/hazy/1400_1.png", 46, 62)
    inner = picture(tmp_path / "inner.png", 46, 62, seed=1)
    framed = np.pad(inner, ((10, 10), (10, 10), (0, 0)), constant_values=255)
    (tmp_path / "indoor/gt").mkdir()
    cv2.imwrite(str(tmp_path / "indoor/gt/1400.png"), framed[..., ::-1])
    path = prepare("sots_indoor", tmp_path / "p", source=tmp_path / "indoor")
    np.testing.assert_array_equal(open_prepared(path, "test")[0].clear, inner)


@pytest.mark.parametrize(("half", "other"), [("indoor", "outdoor"), ("outdoor", "indoor")])
def test_one_half_of_sots_is_not_taken_for_the_other(tmp_path, copy_of, half, other):
    source, _ = copy_of(f"SOTS/{half}/hazy/1400_1.png", f"SOTS/{half}/gt/1400.png")
    for given in ("", "SOTS", f"SOTS/{half}"):
        with pytest.raises(InputError, match=rf"has no folders {other}/hazy/ and {other}/gt"):
            prepare(f"sots_{other}", tmp_path / "p", source=source / given)
        prepare(f"sots_{half}", tmp_path / "own", source=source / given, overwrite=True)


def test_haze4k_has_its_transmission(tmp_path, copy_of):
    source, _ = copy_of("train/haze/7_0.63_1.97.png", "train/gt/7.png")
    (source / "train/trans").mkdir()
    cv2.imwrite(str(source / "train/trans/7.png"), np.full((8, 9), 102, np.uint8))
    path = prepare("haze4k", tmp_path / "p", source=source)
    transmission = open_prepared(path, "train")[0].extras["transmission"]
    np.testing.assert_allclose(transmission, np.full((8, 9, 1), 0.4), atol=1e-5)


def test_a_revide_frame_without_partner_does_not_take_another_videos(tmp_path, copy_of):
    source, _ = copy_of("Train/hazy/A/1.JPG", "Train/hazy/B/1.JPG", "Train/gt/A/1.JPG")
    with pytest.raises(InputError, match=r"hazy/B/1\.JPG: has no clear partner"):
        prepare("revide", tmp_path / "p", source=source)


def test_4kid_without_parts_is_dealt_out_and_paired_in_order_if_asked(tmp_path, copy_of, ids_of):
    source, _ = copy_of(*(f"{name}{n}.jpg" for name in ("haze/h", "gt/g") for n in range(3)))
    with pytest.raises(InputError, match=r"h0\.jpg: has no clear partner"):
        prepare("uhd_4kid", tmp_path / "p", source=source)
    path = prepare("uhd_4kid", tmp_path / "p", source=source, rule="sorted")
    ids = ids_of(path)
    assert set(ids) == {"train", "validation", "test"}
    assert sorted(name for members in ids.values() for name in members) == ["h0", "h1", "h2"]
    for split, (name,) in ids.items():
        clear = _read(source / f"gt/g{name[1]}.jpg")
        np.testing.assert_array_equal(open_prepared(path, split)[0].clear, clear)


def test_the_strengths_of_an_8k_picture_stay_in_one_split(tmp_path, copy_of, ids_of):
    folders = ["clear", *(f"cloud_L{level}" for level in (1, 2, 3, 4))]
    names = [f"{number:02d}" for number in range(10)]
    source, pixels = copy_of(*(f"8KDehaze/{f}/{name}.png" for f in folders for name in names))
    path = prepare("eight_k_dehaze", tmp_path / "p", source=source)
    ids = ids_of(path)
    counts = {split: len(members) for split, members in ids.items()}
    assert counts == {"train": 32, "validation": 4, "test": 4}
    scenes = [{name.split("/")[1] for name in members} for members in ids.values()]
    assert sorted(itertools.chain(*scenes)) == names
    for example in open_prepared(path, "test"):
        clear = f"8KDehaze/clear/{example.id.split('/')[1]}.png"
        np.testing.assert_array_equal(example.hazy, pixels[f"8KDehaze/{example.id}.png"])
        np.testing.assert_array_equal(example.clear, pixels[clear])
