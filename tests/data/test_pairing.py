import numpy as np
import pytest

from dehaze_jax.data import (
    find_pairs,
    list_images,
    match_sizes,
    name_parameters,
)
from dehaze_jax.data.pairing import find_maps, match_pairs, name_images
from dehaze_jax.errors import InputError


@pytest.fixture
def touch(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    return make


def _matched(pairs):
    return {pair.hazy.name: pair.clear.name for pair in pairs}


@pytest.mark.parametrize(
    ("hazy", "clear", "rule"),
    [
        ("E01/00012.JPG", "E01/00012.png", "path"),
        ("0012.png", "0012.JPG", "stem"),
        ("1400_3.png", "1400.png", "prefix"),
        ("0025_0.85_0.04.jpg", "0025.png", "prefix"),
        ("01_outdoor_hazy.jpg", "01_outdoor_GT.jpg", "token"),
        ("01_HAZY.JPEG", "01_gt.png", "token"),
        ("hazy-7.tif", "clear-7.tiff", "token"),
        ("07_hazy.png", "07.png", "token"),
        ("street (2).webp", "street (2).png", "stem"),
    ],
)
def test_each_rule_finds_its_names(tmp_path, touch, hazy, clear, rule):
    touch(f"hazy/{hazy}", f"clear/{clear}", "clear/unrelated.png")
    for used in (rule, "auto"):
        pairs = find_pairs(tmp_path / "hazy", tmp_path / "clear", rule=used)
        assert _matched(pairs) == {hazy.split("/")[-1]: clear.split("/")[-1]}


def test_a_rule_does_not_match_what_another_does(tmp_path, touch):
    touch("hazy/1_1.png", "clear/1.png")
    for rule in ("path", "stem", "token"):
        with pytest.raises(InputError, match=r"1_1\.png: has no clear partner"):
            find_pairs(tmp_path / "hazy", tmp_path / "clear", rule=rule)


def test_many_hazy_pictures_share_a_clear_one_over_part_folders(tmp_path, touch):
    root = "# O-HAZY NTIRE 2018"
    touch(*(f"{root}/hazy/part{p}/0001_0.8_0.0{p}.jpg" for p in (1, 2, 3)), f"{root}/GT/0001.jpg")
    pairs = find_pairs(tmp_path / root / "hazy", tmp_path / root / "GT")
    assert [pair.id for pair in pairs] == [f"part{p}/0001_0.8_0.0{p}" for p in (1, 2, 3)]
    assert {pair.clear.name for pair in pairs} == {"0001.jpg"}


def test_the_same_path_wins_over_equal_names_elsewhere(tmp_path, touch):
    touch("hazy/a/1.png", "hazy/b/1.png", "clear/a/1.png", "clear/b/1.png")
    pairs = find_pairs(tmp_path / "hazy", tmp_path / "clear")
    assert [pair.clear.parent.name for pair in pairs] == ["a", "b"]


def test_frames_of_one_number_in_other_folders_are_no_partners_by_path(tmp_path, touch):
    touch("hazy/a/1.png", "hazy/b/1.png", "clear/a/1.png")
    with pytest.raises(InputError, match=r"hazy/b/1\.png: has no clear partner"):
        find_pairs(tmp_path / "hazy", tmp_path / "clear", rule="path")
    stems = find_pairs(tmp_path / "hazy", tmp_path / "clear", rule="stem")
    assert [pair.clear.parent.name for pair in stems] == ["a", "a"]


def test_one_flat_folder_is_told_apart_by_names(tmp_path, touch):
    touch("01_hazy.png", "01_GT.png", "02_hazy.png", "02_GT.png")
    pairs = find_pairs(tmp_path, tmp_path)
    assert _matched(pairs) == {"01_hazy.png": "01_GT.png", "02_hazy.png": "02_GT.png"}


def test_one_flat_folder_without_tokens_is_refused(tmp_path, touch):
    touch("01.png", "02.png")
    with pytest.raises(InputError, match="cannot be told apart"):
        find_pairs(tmp_path, tmp_path)


def test_sorted_pairs_in_order_and_needs_equal_counts(tmp_path, touch):
    touch("hazy/x1.png", "hazy/x2.png", "clear/b.png", "clear/a.png")
    pairs = find_pairs(tmp_path / "hazy", tmp_path / "clear", rule="sorted")
    assert _matched(pairs) == {"x1.png": "a.png", "x2.png": "b.png"}
    touch("clear/c.png")
    with pytest.raises(InputError, match="2 hazy and 3 clear"):
        find_pairs(tmp_path / "hazy", tmp_path / "clear", rule="sorted")


def test_missing_partner_names_the_file(tmp_path, touch):
    touch("hazy/1.png", "hazy/2.png", "clear/1.png")
    with pytest.raises(InputError, match=r"hazy/2\.png: has no clear partner in .*clear"):
        find_pairs(tmp_path / "hazy", tmp_path / "clear")


def test_ambiguous_partner_names_all_files(tmp_path, touch):
    touch("hazy/1.png", "clear/1.png", "clear/1.jpg")
    with pytest.raises(InputError, match=r"hazy/1\.png: .*clear/1\.jpg and .*clear/1\.png"):
        find_pairs(tmp_path / "hazy", tmp_path / "clear")


def test_two_hazy_files_of_one_name_are_refused(tmp_path, touch):
    touch("hazy/1.png", "hazy/1.jpg", "clear/1.png")
    with pytest.raises(InputError, match=r"has the same name as 1\.jpg"):
        find_pairs(tmp_path / "hazy", tmp_path / "clear")


def test_list_images_skips_hidden_and_other_files(tmp_path, touch):
    touch("a.PNG", "sub/b.jpeg", ".hidden.png", ".cache/c.png", "notes.txt", "._a.PNG")
    names = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert names == ["a.PNG", "sub/b.jpeg"]


@pytest.mark.parametrize("make", ["missing", "empty", "file"])
def test_folders_that_hold_nothing_are_refused(tmp_path, make):
    folder = tmp_path / make
    if make == "empty":
        folder.mkdir()
    if make == "file":
        folder.touch()
    reason = {"missing": "does not exist", "empty": "holds no picture", "file": "not a folder"}
    with pytest.raises(InputError, match=rf"{make}: {reason[make]}"):
        list_images(folder)


@pytest.mark.parametrize(
    ("stem", "known"),
    [
        ("1_1_0.90179", {"airlight": 0.90179}),
        ("1399_10_0.70001", {"airlight": 0.70001}),
        ("0025_0.85_0.04", {"airlight": 0.85, "beta": 0.04}),
        ("0051_1_0.2", {"airlight": 1.0, "beta": 0.2}),
        ("12_0.63_1.97", {"airlight": 0.63, "beta": 1.97}),
        ("1400_1", {}),
        ("01_outdoor_hazy", {}),
        ("holiday_2019_07", {}),
        ("cam_1_0001", {}),
        ("3_0.8_1", {}),
    ],
)
def test_name_parameters(stem, known):
    assert name_parameters(stem) == known


@pytest.mark.parametrize(
    ("stem", "fields", "known"),
    [
        ("7_3_0.4", ("id", "index", "airlight"), {"airlight": 0.4}),
        ("7_1_1", ("id", "airlight", "beta"), {"airlight": 1.0, "beta": 1.0}),
        ("0.5_7", ("beta", "id"), {"beta": 0.5}),
        ("7_3_0.4_x", ("id", "index", "airlight"), {}),
        ("7_3_x", ("id", "index", "airlight"), {}),
        ("1_1_0.9", ("id", "index", "id"), {}),
    ],
)
def test_declared_fields_of_names_say_what_they_say(stem, fields, known):
    assert name_parameters(stem, fields) == known


def test_several_hazy_folders_share_one_clear_folder(tmp_path, touch):
    touch(*(f"8K/cloud_L{level}/{n}.png" for level in (1, 2) for n in "ab"))
    touch("8K/clear/a.png", "8K/clear/b.png")
    hazy = [tmp_path / f"8K/cloud_L{level}" for level in (1, 2)]
    pairs, faults = match_pairs(hazy, [tmp_path / "8K/clear"])
    assert not faults
    assert [pair.id for pair in pairs] == ["cloud_L1/a", "cloud_L1/b", "cloud_L2/a", "cloud_L2/b"]
    assert [pair.clear.stem for pair in pairs] == list("abab")


def test_all_that_has_no_partner_is_told_and_the_rest_is_paired(tmp_path, touch):
    touch("hazy/1.png", "hazy/2.png", "hazy/3.jpg", "hazy/3.png", "hazy/4.png")
    touch("clear/1.png", "clear/3.png", "clear/4.jpg", "clear/4.png")
    pairs, faults = match_pairs([tmp_path / "hazy"], [tmp_path / "clear"])
    assert [pair.id for pair in pairs] == ["1", "3"]
    told = sorted(str(fault).removeprefix(f"{tmp_path}/hazy/") for fault in faults)
    assert [text.split(f"{tmp_path}")[0].strip() for text in told] == [
        "2.png: has no clear partner in",
        "3.png: has the same name as 3.jpg",
        "4.png: has more than one clear partner:",
    ]


def test_pictures_without_partners_are_named_by_their_paths(tmp_path, touch):
    touch("a/1.png", "a/sub/2.png", "b/1.png", "b/1.jpg")
    files = dict.fromkeys(list_images(tmp_path / "a"), tmp_path / "a")
    assert list(name_images(files)[0]) == ["1", "sub/2"]
    files |= dict.fromkeys(list_images(tmp_path / "b"), tmp_path / "b")
    named, faults = name_images(files)
    assert list(named) == ["a/1", "a/sub/2", "b/1"]
    assert [fault.subject for fault in faults] == [str(tmp_path / "b/1.png")]


def test_maps_have_the_hazy_name_or_the_longest_part_of_it(tmp_path, touch):
    names = ("1_1_0.9", "1_2_0.8", "2_1_0.7", "3_1_0.6", "4")
    touch(*(f"hazy/{name}.png" for name in names), *(f"clear/{n}.png" for n in (1, 2, 3, 4)))
    touch("trans/1_1.png", "trans/1_2_0.8.png", "trans/1.png", "trans/2.png", "trans/0_4.png")
    pairs = find_pairs(tmp_path / "hazy", tmp_path / "clear")
    maps = find_maps(pairs, [tmp_path / "trans"])
    assert [path and path.stem for path in maps] == ["1_1", "1_2_0.8", "2", None, None]


def test_match_sizes_crops_the_frame_of_sots():
    clear = np.zeros((480, 640, 3), np.uint8)
    clear[10:470, 10:630] = np.random.default_rng(0).integers(0, 255, (460, 620, 3))
    hazy = np.ones((460, 620, 3), np.uint8)
    kept, cropped = match_sizes(hazy, clear, subject="1400_1.png")
    np.testing.assert_array_equal(cropped, clear[10:470, 10:630])
    np.testing.assert_array_equal(kept, hazy)


def test_match_sizes_crops_each_direction_on_its_own():
    hazy, clear = match_sizes(np.zeros((50, 60, 3)), np.zeros((55, 40, 3)), subject="x")
    assert hazy.shape == clear.shape == (50, 40, 3)


def test_match_sizes_refuses_more_than_32_pixels():
    match_sizes(np.zeros((50, 60, 3)), np.zeros((50, 92, 3)), subject="x")
    with pytest.raises(InputError, match=r"a\.png: is 60 x 50, but its partner is 93 x 50"):
        match_sizes(np.zeros((50, 60, 3)), np.zeros((50, 93, 3)), subject="a.png")


@pytest.mark.parametrize(("hazy", "clear"), [("data", "data/clear"), ("data/hazy", "data")])
def test_folders_within_each_other_pair_no_picture_with_itself(tmp_path, touch, hazy, clear):
    touch("data/hazy/1.png", "data/clear/1.png")
    with pytest.raises(
        InputError, match=r"/1\.png: is among the hazy and among the clear pictures"
    ):
        find_pairs(tmp_path / hazy, tmp_path / clear)


def test_links_do_not_hide_a_picture_that_is_on_both_sides(tmp_path, touch):
    touch("hazy/1.png", "hazy/2.png", "clear/2.png")
    (tmp_path / "clear/1.png").symlink_to(tmp_path / "hazy/1.png")
    with pytest.raises(InputError, match=r"clear/1\.png: is among the hazy and among the clear"):
        find_pairs(tmp_path / "hazy", tmp_path / "clear")
    (tmp_path / "alias").symlink_to(tmp_path / "hazy")
    for rule in ("auto", "sorted"):
        with pytest.raises(InputError, match="cannot be told apart"):
            find_pairs(tmp_path / "hazy", tmp_path / "alias", rule=rule)


@pytest.mark.parametrize("missing", ["b/0100.png", "b/x/0100.png"])
@pytest.mark.parametrize("other", ["0100", "0100_GT"])
def test_a_partner_comes_from_the_own_sub_folder_where_there_is_one(
    tmp_path, touch, missing, other
):
    touch(f"hazy/{missing}", f"clear/a/{other}.png", "clear/b/0200.png")
    with pytest.raises(InputError, match=rf"hazy/{missing}: has no clear partner"):
        find_pairs(tmp_path / "hazy", tmp_path / "clear")
    touch(f"clear/b/{other}.png")
    (pair,) = find_pairs(tmp_path / "hazy", tmp_path / "clear")
    assert pair.clear == tmp_path / f"clear/b/{other}.png"


def test_an_empty_sub_folder_is_the_own_one_too(tmp_path, touch):
    touch("hazy/b/1.png", "clear/a/1.png")
    assert find_pairs(tmp_path / "hazy", tmp_path / "clear")
    (tmp_path / "clear/b").mkdir()
    with pytest.raises(InputError, match=r"hazy/b/1\.png: has no clear partner"):
        find_pairs(tmp_path / "hazy", tmp_path / "clear")


def test_a_folder_of_maps_may_be_empty(tmp_path, touch):
    touch("hazy/1.png", "clear/1.png")
    (tmp_path / "trans").mkdir()
    pairs = find_pairs(tmp_path / "hazy", tmp_path / "clear")
    assert find_maps(pairs, [tmp_path / "trans"]) == (None,)
