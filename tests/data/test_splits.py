import pytest

from dehaze_jax.data import split_scenes


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
