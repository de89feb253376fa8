import pytest

from dehaze_jax.data import Folders, Layout
from dehaze_jax.data.locating import locate
from dehaze_jax.errors import InputError

BARE = Layout({"all": Folders(hazy="hazy|haze", clear="gt|clear", transmission="trans")})
SPLIT = Layout(
    {
        "train": Folders(hazy="train/hazy", clear="train/gt"),
        "test": Folders(hazy="test|eval/hazy", clear="test|eval/gt"),
    }
)
INDOOR = Layout({"test": Folders(hazy="indoor/hazy", clear="indoor/gt")})
LEVELS = Layout({"all": Folders(hazy="cloud_l*", clear="clear")})
FLAT = Layout({"all": Folders(hazy=".", clear=".")})
REAL = Layout({"test": Folders(hazy="images")})


@pytest.fixture
def copy(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def _found(source, top, *layouts):
    located = locate(source, layouts)
    return {
        split: {
            key: [folder.relative_to(top).as_posix() for folder in folders]
            for key, folders in places.items()
        }
        for split, places in located.places.items()
    }


@pytest.mark.parametrize("given", ["", "a", "a/# O-HAZY (1)", "a/# O-HAZY (1)/b"])
def test_the_top_may_lie_below_what_is_given(copy, given):
    inner = "a/# O-HAZY (1)/b"
    top = copy(f"{inner}/HAZE/1.png", f"{inner}/Gt/1.png")
    assert _found(top / given, top, BARE) == {
        "all": {"hazy": [f"{inner}/HAZE"], "clear": [f"{inner}/Gt"]}
    }


def test_a_part_of_a_layout_will_do(copy):
    top = copy("SOTS/indoor/hazy/1.png", "SOTS/indoor/gt/1.png", "SOTS/outdoor/hazy/1.png")
    for given in ("", "SOTS", "SOTS/indoor"):
        places = {"hazy": ["SOTS/indoor/hazy"], "clear": ["SOTS/indoor/gt"]}
        assert _found(top / given, top, INDOOR) == {"test": places}
    with pytest.raises(InputError, match="outdoor: has no folders indoor/hazy/ and indoor/gt/"):
        locate(top / "SOTS/outdoor", [INDOOR])


def test_spellings_count_in_their_order_and_stars_all_together(copy):
    top = copy("hazy/1.png", "haze/1.png", "gt/1.png", "trans/1.png")
    assert _found(top, top, BARE) == {
        "all": {"hazy": ["hazy"], "clear": ["gt"], "transmission": ["trans"]}
    }
    copy("8K/clear/1.png", "8K/cloud_L2/1.png", "8K/cloud_L1/1.png", "8K/other/1.png")
    assert _found(top / "8K", top, LEVELS) == {
        "all": {"hazy": ["8K/cloud_L1", "8K/cloud_L2"], "clear": ["8K/clear"]}
    }


def test_the_first_layout_that_fits_counts_and_the_nearest_to_the_top(copy):
    top = copy("hazy/1.png", "gt/1.png", "train/hazy/1.png", "train/gt/1.png")
    assert set(_found(top, top, SPLIT, BARE)) == {"train"}
    assert set(_found(top, top, BARE, SPLIT)) == {"all"}
    assert set(_found(top / "train", top, SPLIT, BARE)) == {"all"}
    assert set(_found(top / "train", top, SPLIT)) == {"train"}


def test_a_copy_may_lack_splits_but_not_the_clear_half_of_one(copy):
    top = copy("train/hazy/1.png", "train/gt/1.png")
    assert set(_found(top, top, SPLIT)) == {"train"}
    copy("eval/hazy/1.png")
    with pytest.raises(InputError, match="eval: has no folder gt/"):
        locate(top, [SPLIT])
    assert set(_found(top / "train", top, SPLIT, BARE)) == {"all"}


def test_a_flat_folder_holds_the_pictures_itself(copy):
    top = copy("NH-HAZE/NH-HAZE/01_hazy.png", "NH-HAZE/NH-HAZE/01_GT.png", "notes.txt")
    places = {"hazy": ["NH-HAZE/NH-HAZE"], "clear": ["NH-HAZE/NH-HAZE"]}
    assert _found(top, top, FLAT) == {"all": places}


def test_hazy_pictures_alone(copy):
    top = copy("VOC/Images/1.jpg")
    assert _found(top, top, REAL) == {"test": {"hazy": ["VOC/Images"]}}


def test_two_copies_side_by_side_are_refused(copy):
    top = copy("x/hazy/1.png", "x/gt/1.png", "y/hazy/1.png", "y/gt/1.png")
    with pytest.raises(InputError, match=r"more than one copy: .*/x and .*/y; give one of them"):
        locate(top, [BARE])


def test_what_is_no_dataset_is_refused(copy):
    top = copy("hazy.png", ".hidden/hazy/1.png", ".hidden/gt/1.png")
    with pytest.raises(InputError, match=r"has no folders hazy\|haze/ and gt\|clear/; or images/"):
        locate(top, [BARE, REAL])
    with pytest.raises(InputError, match="nowhere: does not exist"):
        locate(top / "nowhere", [BARE])
    with pytest.raises(InputError, match=r"hazy\.png: not a folder"):
        locate(top / "hazy.png", [BARE])


def test_folders_too_deep_are_not_looked_for(copy):
    top = copy("1/2/3/4/5/hazy/1.png", "1/2/3/4/5/gt/1.png")
    with pytest.raises(InputError, match="has no folders"):
        locate(top, [BARE])
    assert locate(top / "1", [BARE])


ANYWHERE = Layout({"train": Folders(clear="**")})
CLEAR = Layout({"train": Folders(clear="clear")})


def test_another_dataset_nearer_to_the_top_is_not_taken_for_the_one_asked_for(copy):
    top = copy("NH-HAZE2/hazy/1.png", "NH-HAZE2/GT/1.png")
    copy("O-HAZE/# O-HAZY NTIRE 2018/hazy/1.png", "O-HAZE/# O-HAZY NTIRE 2018/GT/1.png")
    message = r"more than one copy: .*/NH-HAZE2 and .*/O-HAZE/# O-HAZY NTIRE 2018; give one of them"
    with pytest.raises(InputError, match=message):
        locate(top, [SPLIT, BARE])
    for given in ("NH-HAZE2", "O-HAZE"):
        assert locate(top / given, [SPLIT, BARE])


def test_flat_folders_at_different_depths_are_two_copies(copy):
    top = copy("2019/1.png", "2020/jan/1.png")
    with pytest.raises(InputError, match=r"more than one copy: .*/2019 and .*/2020/jan; give one"):
        locate(top, [FLAT])


def test_what_lies_within_a_copy_is_no_second_one(copy):
    top = copy("x/hazy/1.png", "x/gt/1.png", "x/old/hazy/1.png", "x/old/gt/1.png")
    assert _found(top, top, BARE) == {"all": {"hazy": ["x/hazy"], "clear": ["x/gt"]}}


def test_what_a_mac_adds_to_zip_files_is_no_copy(copy):
    top = copy("x/hazy/1.png", "x/gt/1.png", "__MACOSX/x/hazy/._1.png", "__MACOSX/x/gt/._1.png")
    assert _found(top, top, BARE) == {"all": {"hazy": ["x/hazy"], "clear": ["x/gt"]}}


def test_pictures_anywhere_lie_below_one_folder(copy):
    top = copy("mine/2019/1.png", "notes/read.txt", "__MACOSX/mine/2019/._1.png")
    assert _found(top, top, CLEAR, ANYWHERE) == {"train": {"clear": ["mine/2019"]}}
    copy("mine/2020/jan/1.png")
    assert _found(top, top, CLEAR, ANYWHERE) == {"train": {"clear": ["mine"]}}
    copy("depth/2019/1.npy")
    assert _found(top, top, CLEAR, ANYWHERE) == {"train": {"clear": ["."]}}
    copy("a/b/clear/1.png")
    assert _found(top, top, CLEAR, ANYWHERE) == {"train": {"clear": ["a/b/clear"]}}
    (top / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds no picture"):
        locate(top / "empty", [CLEAR, ANYWHERE])
