import pytest

from dehaze_jax.data import ByNumber, ByScene, split_scenes
from dehaze_jax.data.splits import deal_out


@pytest.mark.parametrize("count", [3, 5, 30, 101])
def test_every_scene_is_in_exactly_one_split(count):
    names = [f"scene{number}" for number in range(count)]
    parts = split_scenes(names, seed=0)
    dealt = [name for part in parts.values() for name in part]
    assert sorted(dealt) == sorted(names)
    assert len(parts["validation"]) == len(parts["test"]) == max(1, round(count / 10))


def test_the_deal_depends_on_names_and_seed_alone():
    names = [f"s{number}" for number in range(20)]
    assert split_scenes(names, seed=1) == split_scenes([*names[::-1], "s3"], seed=1)
    assert split_scenes(names, seed=1) != split_scenes(names, seed=2)


def test_fewer_than_three_scenes_are_all_for_training():
    assert split_scenes(["a", "b"], seed=0) == {"train": ["a", "b"]}


def test_numbers_decide_where_they_are_listed():
    names = ["01_outdoor_hazy", "A40", "x-041_hazy_3", "45", "46_hazy", "hazy"]
    deal = ByNumber(train=range(1, 41), validation=(41,), test=range(42, 46))
    splits = deal_out(names, names, deal, seed=0)
    assert splits == ["train", "train", "validation", "test", None, None]


def test_all_hazy_pictures_of_a_scene_are_in_its_split():
    scenes = [f"{number % 7}.png" for number in range(28)]
    splits = deal_out([str(n) for n in range(28)], scenes, ByScene(), seed=3)
    expected = split_scenes(scenes, seed=3)
    assert splits == [next(s for s in expected if scene in expected[s]) for scene in scenes]
    assert set(splits) == {"train", "validation", "test"}
