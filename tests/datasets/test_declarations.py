"""What the builders declare: names, messages, and that the READMEs say the same."""

import csv
import pathlib

import cv2
import numpy as np
import pytest

from dehaze_jax.data import ByNumber, list_datasets, open_prepared, prepare
from dehaze_jax.errors import InputError

BUILDERS = pathlib.Path(__file__).parents[2] / "datasets"

NAMES = [
    "dense_haze",
    "eight_k_dehaze",
    "haze4k",
    "hsts/real_world",
    "hsts/synthetic",
    "i_haze",
    "nh_haze",
    "nh_haze2",
    "o_haze",
    "paired_folder",
    "rendered_haze/folder",
    "rendered_haze/landscapes",
    "rendered_haze/photographs",
    "reside_6k",
    "reside_its",
    "reside_ots",
    "revide",
    "rs_haze",
    "rtts",
    "sots_indoor",
    "sots_outdoor",
    "uhd_4kid",
    "uhd_haze",
    "unpaired_folder/clear",
    "unpaired_folder/hazy",
    "urhi",
]
DIRECT = sorted(name for name, d in list_datasets().items() if d.obtain == "direct")
MANUAL = sorted(name for name, d in list_datasets().items() if d.obtain == "manual")


def test_the_list_has_every_dataset_with_one_line():
    assert sorted(list_datasets()) == NAMES
    assert DIRECT == ["dense_haze", "i_haze", "nh_haze", "o_haze"]
    for name, dataset in list_datasets().items():
        assert dataset.name == name
        assert 10 < len(dataset.title) < 90
        assert "\n" not in dataset.title


@pytest.mark.parametrize("name", DIRECT + MANUAL)
def test_a_folder_without_it_is_refused_in_one_line(tmp_path, name):
    (tmp_path / "nothing/here").mkdir(parents=True)
    with pytest.raises(InputError, match=r"nothing: has no folders ") as raised:
        prepare(name, tmp_path / "p", source=tmp_path / "nothing")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("name", MANUAL)
def test_what_is_fetched_by_hand_says_what_to_fetch_from_where(tmp_path, name):
    with pytest.raises(InputError, match=rf"^{name}: fetch .* http.*folder holds.* \(--from\)$"):
        prepare(name, tmp_path / "p")


@pytest.mark.parametrize("name", DIRECT + MANUAL)
def test_the_readme_tells_terms_numbers_of_splits_and_counts_of_editions(name):
    dataset = list_datasets()[name]
    folder = BUILDERS / name.partition("/")[0]
    readme = " ".join((folder / "README.md").read_text().split())
    assert "Terms:" in readme
    assert dataset.terms
    assert dataset.homepage.startswith("http")
    assert all(archive.url.startswith("https://") for archive in dataset.archives)
    for deal in (layout.deal for layout in dataset.layouts):
        if isinstance(deal, ByNumber):
            for numbers in filter(None, (deal.train, deal.validation, deal.test)):
                first, last = min(numbers), max(numbers)
                assert f"{first:02d} to {last}" in readme
    for edition in dataset.editions.values():
        assert all(f"{count:,}" in readme for count in edition.values())


@pytest.mark.parametrize("name", DIRECT + MANUAL)
def test_the_papers_can_be_cited(name):
    entries = (BUILDERS / name.partition("/")[0] / "CITATIONS.bib").read_text()
    assert entries.startswith("@")
    assert entries.count("{") == entries.count("}")
    for field in ("author", "title", "year"):
        assert entries.count(f" {field} = ") == entries.count("@")


SAMPLES = {
    "o-haze_800": "o_haze",
    "o-haze_full": "o_haze",
    "i-haze_800": "i_haze",
    "nh-haze_800": "nh_haze",
    "nh-haze2_800": "nh_haze2",
    "sots-indoor": "sots_indoor",
    "sots-outdoor": "sots_outdoor",
    "revide": "revide",
    "rtts": "rtts",
}


@pytest.mark.parametrize("folder", SAMPLES)
def test_the_real_pictures_are_prepared_as_they_are_listed(tmp_path, shared_data, ids_of, folder):
    split_of = {"train": "train", "val": "validation", "eval": "test", "unpaired": "test"}
    with (shared_data / "MANIFEST.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if (r["dataset"], r["role"]) == (folder, "hazy")]
    files: dict[str, dict[str, pathlib.Path]] = {}
    for row in rows:
        path = shared_data / row["file"]
        files.setdefault(split_of[row["use"]], {})[path.stem] = path
    path = prepare(SAMPLES[folder], tmp_path / "p", source=shared_data / folder)
    assert ids_of(path) == {split: sorted(found) for split, found in files.items()}
    pictures = list_datasets()[SAMPLES[folder]].pictures
    for split, found in files.items():
        hazy = found[min(found)]
        shown = open_prepared(path, split, needs=pictures).maps(0, pictures).part()
        for picture in pictures:
            pixels = cv2.imread(str(hazy.parents[1] / picture / hazy.name))[..., ::-1]
            np.testing.assert_array_equal(shown[picture], pixels)
