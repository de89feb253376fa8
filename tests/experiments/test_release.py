from weights.release import sets_of

ONE = {"steps": 5, "data": {"train": ["prepared/a", "/elsewhere/b"], "validation": ["prepared/v"]}}
OTHER = {"data": {"train": ["prepared/b", "prepared/c"]}, "method": {"name": "toy"}}


def test_a_recipe_names_the_sets_it_trained_on():
    assert sets_of(ONE) == {"a", "b"}


def test_so_does_a_mean_of_several():
    assert sets_of({"mean of": {"runs/one": ONE, "runs/other": OTHER}}) == {"a", "b", "c"}


def test_a_recipe_may_be_unknown():
    assert sets_of({}) == set()
