import json

import cv2
import numpy as np
import pytest

from dehaze_jax.data import open_prepared, prepare


def _copy(copy_of, top=""):
    source, pixels = copy_of(
        *(f"{top}clear/{scene}.png" for scene in (1, 12)),
        *(f"{top}hazy/{scene}_{k}_0.7{k}179.png" for scene in (1, 12) for k in (1, 2)),
    )
    return source, pixels


def test_pairs_airlight_and_transmission_of_the_usual_edition(tmp_path, copy_of, ids_of):
    source, pixels = _copy(copy_of, "ITS_v2/")
    (source / "ITS_v2/trans").mkdir()
    for name, level in {"1_1": 51, "1_2": 102, "12_1": 153, "12_2": 204}.items():
        cv2.imwrite(str(source / f"ITS_v2/trans/{name}.png"), np.full((8, 9), level, np.uint8))
    path = prepare("reside_its", tmp_path / "p", source=source)
    ids = ["12_1_0.71179", "12_2_0.72179", "1_1_0.71179", "1_2_0.72179"]
    assert ids_of(path) == {"train": ids}
    for example, level in zip(open_prepared(path, "train"), (0.6, 0.8, 0.2, 0.4), strict=True):
        scene = example.id.split("_")[0]
        np.testing.assert_array_equal(example.hazy, pixels[f"ITS_v2/hazy/{example.id}.png"])
        np.testing.assert_array_equal(example.clear, pixels[f"ITS_v2/clear/{scene}.png"])
        airlight = float(example.id.split("_")[2])
        np.testing.assert_allclose(example.extras["airlight"], [airlight] * 3, rtol=1e-6)
        np.testing.assert_allclose(example.extras["transmission"], level, atol=1e-5)
        assert "beta" not in example.extras
    (note,) = json.loads((path / "report.json").read_text())["notes"]
    assert note == "has 4 train; looks like RESIDE-V0 (ITS_v2), which has 13,990 train"


def test_a_copy_without_all_maps_has_no_transmission(tmp_path, copy_of):
    source, _ = _copy(copy_of)
    (source / "trans").mkdir()
    cv2.imwrite(str(source / "trans/1_1.png"), np.full((8, 9), 9, np.uint8))
    path = prepare("reside_its", tmp_path / "p", source=source)
    assert set(open_prepared(path, "train")[0].extras) == {"airlight"}
    notes = json.loads((path / "report.json").read_text())["notes"]
    assert "transmission is left out: 3 of 4 lack it, such as 12_1_0.71179" in notes


def test_the_standard_edition_has_its_validation_part(tmp_path, copy_of, ids_of):
    source, _ = copy_of(
        "ITS/train/ITS_clear/1.png",
        "ITS/train/ITS_haze/1_1_0.9.png",
        "ITS/val/clear/3.png",
        "ITS/val/haze/3_1_0.8.png",
    )
    path = prepare("reside_its", tmp_path / "p", source=source)
    assert ids_of(path) == {"train": ["1_1_0.9"], "validation": ["3_1_0.8"]}


@pytest.mark.parametrize("size", [(6, 9), (60, 9)])
def test_transmission_of_another_size_is_refused(tmp_path, copy_of, size):
    source, _ = copy_of("clear/1.png", "hazy/1_1_0.9.png")
    (source / "trans").mkdir()
    cv2.imwrite(str(source / "trans/1_1.png"), np.zeros(size, np.uint8))
    with pytest.raises(ValueError, match=r"trans/1_1\.png: is "):
        prepare("reside_its", tmp_path / "p", source=source)


def test_an_empty_folder_of_maps_is_told(tmp_path, copy_of):
    source, _ = _copy(copy_of)
    (source / "trans").mkdir()
    path = prepare("reside_its", tmp_path / "p", source=source)
    assert set(open_prepared(path, "train")[0].extras) == {"airlight"}
    notes = json.loads((path / "report.json").read_text())["notes"]
    told = f"transmission is left out: {source / 'trans'} holds none of these pictures"
    assert notes == [told, "has 4 train; looks like RESIDE-V0 (ITS_v2), which has 13,990 train"]


def test_it_is_known_by_its_name_beside_sots(tmp_path, copy_of, ids_of):
    sots = ("SOTS/indoor/hazy/1400_1.png", "SOTS/indoor/gt/1400.png")
    source, _ = copy_of("ITS_v2/clear/1.png", "ITS_v2/hazy/1_1_0.9.png", *sots)
    path = prepare("reside_its", tmp_path / "p", source=source)
    assert ids_of(path) == {"train": ["1_1_0.9"]}
