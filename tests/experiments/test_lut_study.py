import csv
import dataclasses
import json

import pytest
from lut_study.config import CHANGES, VARIANTS, StudyConfig
from lut_study.measuring import Row, chance, effect
from lut_study.report import findings
from lut_study.study import run
from rich.console import Console

from dehaze_jax import image, methods


def rows(change, psnr, ciede2000):
    return [
        Row(
            change=change,
            group="",
            seed=seed,
            parameters=1,
            lut_parameters=1,
            psnr=a,
            ssim=0.9,
            ciede2000=b,
            seconds=1.0,
        )
        for seed, (a, b) in enumerate(zip(psnr, ciede2000, strict=True))
    ]


class TestEffect:
    DEFAULT = rows("default", [20.0, 21.0], [5.0, 6.0])

    def test_better_and_worse_need_all_seeds(self):
        all_ = self.DEFAULT + rows("9 nodes", [21.5, 22.5], [7.0, 6.5])
        psnr, colour = (effect(all_, "9 nodes", score) for score in ("psnr", "ciede2000"))
        assert (psnr.mean, psnr.spread, psnr.difference) == (22.0, 1.0, 1.5)
        assert psnr.verdict == "better"
        assert colour.verdict == "worse"  # a difference of colours is better small

    def test_overlap_is_within_the_spread(self):
        all_ = self.DEFAULT + rows("9 nodes", [20.5, 25.0], [1.0, 5.5])
        assert effect(all_, "9 nodes", "psnr").verdict == "within the spread"
        assert effect(all_, "9 nodes", "ciede2000").verdict == "within the spread"

    def test_in_words(self):
        all_ = self.DEFAULT + rows("9 nodes", [21.5, 22.5], [5.5, 6.5])
        rule, told = findings(all_)
        assert "probability 0.33: of the 3 comparisons here 1.0 are" in rule
        assert told == (
            "**9 nodes**: better in PSNR dB by 1.50; within the spread of seeds in SSIM, CIEDE2000."
        )


def test_chance_of_calling_nothing_something():
    """All of n values above all of n others: one order of 2n in C(2n, n); or below them."""
    assert chance(1) == 1
    assert chance(2) == pytest.approx(1 / 3)
    assert chance(3) == pytest.approx(0.1)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_every_change_is_one_thing_and_can_be_built(change):
    config = StudyConfig()
    ours, default = (
        config.train_config(which, 0, "prepared", "run").method for which in (change, CHANGES[0])
    )
    methods.build(ours)

    def flat(method):
        values = dataclasses.asdict(method)
        return values.pop("objective") | values

    differing = {name for name, value in flat(ours).items() if value != flat(default)[name]}
    assert differing == {*change.method, *change.objective}


# One seed: without a cache of programs every training is compiled anew.
SMOKE = dataclasses.replace(VARIANTS["smoke"], seeds=(3,))


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    output = tmp_path_factory.mktemp("lut_study")
    run(SMOKE, output, variant="smoke", console=Console(quiet=True))
    return output


class TestSmoke:
    def test_rows(self, output):
        with (output / "results.csv").open() as file:
            found = list(csv.DictReader(file))
        assert [(row["change"], row["seed"]) for row in found] == [
            ("default", "3"),
            ("no LUT", "3"),
        ]
        luts = [int(row["lut_parameters"]) for row in found]
        assert luts == [3 * 17**3, 0]
        parameters = [int(row["parameters"]) for row in found]
        assert parameters[0] - parameters[1] == luts[0]
        assert found[0]["psnr"] != found[1]["psnr"]

    def test_the_record_and_the_page(self, output):
        record = json.loads((output / "results.json").read_text())
        assert record["config"]["train_steps"] == SMOKE.train_steps
        assert record["effects"]["default"]["psnr"]["difference"] == 0
        page = (output / "report.md").read_text()
        assert all(line in page for line in record["findings"])
        for name in ("psnr", "pictures"):
            assert image.read(output / f"{name}.png").pixels.std() > 1
