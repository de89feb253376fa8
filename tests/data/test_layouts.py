import pytest

from dehaze_jax.data import Archive, Dataset, Folders, Layout, split_layout
from dehaze_jax.data.layouts import compare_editions

EDITIONS = {
    "old": {"train": 13_990},
    "new": {"train": 100_000, "validation": 10_000},
    "beta": {"train": 313_950},
}


@pytest.mark.parametrize(("name", "counts"), EDITIONS.items())
def test_the_counts_of_an_edition_raise_no_warning(name, counts):
    assert compare_editions(dict(counts), EDITIONS) == (name, "")


@pytest.mark.parametrize(
    ("counts", "nearest"),
    [
        ({"train": 13_000}, "old"),
        ({"train": 3}, "old"),
        ({"validation": 10_000}, "new"),
        ({"train": 99_000, "validation": 900}, "new"),
        ({"train": 250_000}, "beta"),
    ],
)
def test_other_counts_name_the_nearest_edition(counts, nearest):
    name, warning = compare_editions(counts, EDITIONS)
    assert name == nearest
    known = ", ".join(f"{count:,} {split}" for split, count in EDITIONS[nearest].items())
    assert warning.endswith(f"; looks like {nearest}, which has {known}")


def test_no_editions_are_no_warning():
    assert compare_editions({"train": 3}, {}) == ("", "")


def test_declarations_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="no such splits: val"):
        Layout({"val": Folders(hazy="hazy")})
    known = {"name": "x", "title": "x"}
    with pytest.raises(ValueError, match="archives are for what is obtained directly"):
        Dataset(**known, obtain="direct")
    with pytest.raises(ValueError, match="archives are for what is obtained directly"):
        Dataset(**known, obtain="yours", archives=(Archive(url="u"),))
    with pytest.raises(ValueError, match="how to fetch is for what is obtained by hand"):
        Dataset(**known, obtain="manual")
    with pytest.raises(ValueError, match="how to fetch is for what is obtained by hand"):
        Dataset(**known, obtain="made", fetch="somewhere")


def test_splits_have_the_same_folders():
    inner = Folders(hazy="a|b", clear="c", rule="path")
    layout = split_layout(inner)
    assert layout == Layout(
        {
            "train": Folders(hazy="train/a|b", clear="train/c", rule="path"),
            "validation": Folders(hazy="validation|val/a|b", clear="validation|val/c", rule="path"),
            "test": Folders(hazy="test|eval/a|b", clear="test|eval/c", rule="path"),
        }
    )
    named = split_layout(Folders(hazy="x", transmission="t"), within="top", names={"test": "set"})
    assert named == Layout({"test": Folders(hazy="top/set/x", transmission="top/set/t")})


def test_pictures_are_those_of_the_layouts():
    def pictures(**folders):
        layouts = (Layout({"train": Folders(**folders)}),)
        return Dataset(name="a/b", title="", obtain="yours", layouts=layouts).pictures

    assert pictures(hazy="x", clear="y") == ("hazy", "clear")
    assert pictures(hazy="x") == ("hazy",)
    assert pictures(clear="y") == ("clear",)
    assert Dataset(name="a/b", title="", obtain="made").pictures == ("hazy", "clear")
    assert Dataset(name="a/b", title="", obtain="made").config == "b"
