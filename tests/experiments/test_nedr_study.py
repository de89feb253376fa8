import math

import numpy as np
import pytest
from nedr_study.coordinates import restorers, score

from dehaze_jax import InputError, data
from dehaze_jax.image import to_float


@pytest.mark.parametrize(
    ("run", "plain", "reason"),
    [
        ("dehazeflow", "nedr", "dehazeflow: holds no weights of nedr"),
        ("nedr", "nedr", "nedr: was trained with coordinates"),
    ],
)
def test_weights_that_answer_nothing(run, plain, reason):
    with pytest.raises(InputError, match=reason):
        restorers(run, plain)


def test_scores_are_means_over_sets_and_over_all(tmp_path):
    for name, hazes in (("a", 1), ("b", 2)):
        folder = tmp_path / name
        data.prepare("rendered_haze/landscapes", folder, size=(24, 32), scenes=4, hazes=hazes)
    (tmp_path / "no set").mkdir()
    ways = {"as it is": lambda hazy: hazy, "black": np.zeros_like}
    rows = score(ways, tmp_path, "validation")

    def psnr(name, restore):
        pairs = list(data.open_prepared(tmp_path / name, "validation"))
        errors = [
            np.mean((to_float(p.clear) - restore(to_float(p.hazy)).astype(np.float64)) ** 2)
            for p in pairs
        ]
        return [-10 * math.log10(error) for error in errors]

    a, b = ({way: psnr(name, restore) for way, restore in ways.items()} for name in "ab")
    expected = [(f"{n} ({len(s['black'])})", s) for n, s in (("a", a), ("b", b))]
    every = {way: a[way] + b[way] for way in ways}
    expected.append((f"all ({len(every['black'])})", every))
    for (label, hazy, same, black), (name, scores) in zip(rows, expected, strict=True):
        assert label == name
        assert hazy == same == f"{np.mean(scores['as it is']):.2f}"
        assert black == f"{np.mean(scores['black']):.2f}"


def test_a_folder_without_sets(tmp_path):
    with pytest.raises(InputError, match="holds no prepared pairs with a split validation"):
        score({}, tmp_path, "validation")
