import numpy as np
import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.storage import flatten, match, unflatten

TREE = {"params": {"a": {"kernel": np.zeros((2, 3))}, "b": np.ones(4)}}


def test_flat_names_and_back():
    flat = flatten(TREE)
    assert list(flat) == ["params/a/kernel", "params/b"]
    assert unflatten(flat)["params"]["a"]["kernel"] is TREE["params"]["a"]["kernel"]
    assert flatten(unflatten(flat)) == flat


def test_equal_trees_match():
    match(TREE, TREE, source="w")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"params": {"b": np.ones(4)}}, "params/a/kernel is missing"),
        ({"params": {**TREE["params"], "c": np.ones(1)}}, "params/c is unexpected"),
        ({"params": {**TREE["params"], "b": np.ones(5)}}, r"params/b has shape \(5,\), expected"),
    ],
)
def test_other_trees_are_refused_by_name(other, reason):
    with pytest.raises(InputError, match=f"^w: .*{reason}"):
        match(other, TREE, source="w")
