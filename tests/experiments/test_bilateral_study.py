import dataclasses
import json

import pytest
from bilateral_study import run as study
from bilateral_study.config import VARIANTS, StudyConfig, cases
from bilateral_study.measuring import measure
from bilateral_study.report import budget_findings, loss_findings
from rich.console import Console
from studies.landscapes import prepare

from dehaze_jax import image, methods, storage, training
from dehaze_jax.errors import InputError

SMOKE = VARIANTS["smoke"]


def result(name, *points, seconds=10.0, steps=4):
    points = [{"psnr": psnr, "ssim": ssim, "seconds": seconds} for psnr, ssim in points]
    return {"name": name, "steps": steps, "points": points, "hazy": {"psnr": 12.0}}


class TestFindings:
    def test_a_budget_is_compared_at_its_end(self):
        released = result("released", (30.0, 0.9), (20.0, 0.9), seconds=12.0)
        found = budget_findings(
            [
                result("slim", (20.0, 0.9), (19.6, 0.9)),
                released,
                result("slim, longer", (19.71, 0.9), steps=9),
            ]
        )
        assert found == [
            "**slim**: -0.40 dB against the released network, lower by more than 0.3 dB; 4 steps "
            "against 4, 10 CPU seconds against 12.",
            "**slim, longer**: -0.29 dB against the released network, not lower by more than "
            "0.3 dB; 9 steps against 4, 10 CPU seconds against 12.",
        ]
        assert budget_findings([result("slim", (20.0, 0.9))]) == []

    def test_a_network_that_is_not_trained_yet_is_told(self):
        released = result("released", (12.0, 0.9)) | {"hazy": {"psnr": 12.1}}
        first, second = budget_findings([result("slim", (15.0, 0.9)), released])
        assert first.startswith("The released network ends below the untouched hazy pictures")
        assert second.startswith("**slim**: +3.00 dB")

    def test_better_and_worse_need_all_seeds(self):
        (line,) = loss_findings(
            [
                result("0", (20.0, 0.90)),
                result("0.2", (20.5, 0.93)),
                result("0", (21.0, 0.91)),
                result("0.2", (20.9, 0.92)),
            ]
        )
        assert line.startswith(
            "**0.2** against 0: PSNR +0.20 (within the spread of seeds), SSIM +0.0200 (better); "
        )
        worse = [result(name, (psnr, 0.9)) for name in ("0", "1") for psnr in (21.0, 20.9)]
        worse[2:] = [result("1", (20.5, 0.9)), result("1", (20.8, 0.9))]
        assert "PSNR -0.30 (worse), SSIM +0.0000 (within" in loss_findings(worse)[0]

    def test_one_seed_says_nothing_of_their_spread(self):
        found = loss_findings([result("0", (20.0, 0.9)), result("0.5", (19.0, 0.9))])
        assert "PSNR -1.00 (one seed), SSIM +0.0000 (one seed);" in found[0]


class TestCases:
    def test_networks_differ_in_nothing_else(self):
        config = StudyConfig()
        by_name = {case.name: case.train for case in cases(config) if case.part == "budget"}
        slim, released = by_name["slim"], by_name["released"]
        assert released.method == dataclasses.replace(
            methods.RELEASED, objective=slim.method.objective
        )
        assert dataclasses.replace(released, method=slim.method) == slim
        longer = by_name["slim, longer"]
        assert longer.steps == config.long_steps
        assert longer.method == slim.method

    def test_losses_differ_in_the_weight_of_ssim_and_the_seed(self):
        config = StudyConfig(ssim_weights=(0.0, 0.5), seeds=(3, 4))
        trains = [case.train for case in cases(config) if case.part == "loss"]
        assert [(t.seed, t.method.objective.ssim_weight) for t in trains] == [
            (3, 0.0),
            (3, 0.5),
            (4, 0.0),
            (4, 0.5),
        ]
        plain = [dataclasses.replace(t, seed=0, method=trains[0].method) for t in trains]
        assert all(train == plain[0] for train in plain)

    def test_every_result_has_a_file_of_its_own(self):
        files = [case.file for case in cases(StudyConfig())]
        assert len(set(files)) == len(files) == 3 + 3 * len(StudyConfig().seeds)
        assert "budget-slim--longer-0.json" in files

    def test_points_and_warm_up_are_shares_of_the_steps(self):
        config = StudyConfig(long_steps=200, points=(0.001, 0.1, 0.5, 1.0))
        case = next(case for case in cases(config) if case.name == "slim, longer")
        assert case.points == (1, 20, 100, 200)
        assert case.train.optimiser.warmup_steps == 20


def test_training_itself_reports_the_same(tmp_path):
    sets = (prepare(SMOKE.landscapes, tmp_path, Console(quiet=True)),)
    case = next(case for case in cases(SMOKE, sets) if case.name == "slim")
    ours = measure(case)
    # One device: with four a batch of two cannot be divided.
    train = dataclasses.replace(
        case.train, workdir=str(tmp_path / "run"), mesh=training.MeshConfig(data=1), save_every=100
    )
    scores = training.train(train, console=Console(quiet=True)).scores
    assert ours["points"][-1]["psnr"] == pytest.approx(scores["rgb-full/psnr"], abs=1e-4)
    assert ours["hazy"]["psnr"] == pytest.approx(scores["rgb-full/psnr_hazy"], abs=1e-4)
    assert [point["step"] for point in ours["points"]] == [1, 2]
    first, last = ours["points"]
    assert 0 < first["seconds"] < last["seconds"]
    assert first["psnr"] != last["psnr"]
    assert ours["images"] == 4


class TestRun:
    """All but the trainings."""

    CONFIG = dataclasses.replace(SMOKE, landscapes=None)

    @pytest.fixture
    def measured(self, monkeypatch):
        cases = []

        def measure(case):
            cases.append(case)
            scores = {"psnr": 20.0 + len(cases), "ssim": 0.9}
            points = [{"step": n, "seconds": 0.5 * n, "loss": 0.1, **scores} for n in case.points]
            return {
                **{"part": case.part, "name": case.name, "seed": case.train.seed},
                **{"parameters": 7, "steps": case.train.steps, "images": 4, "pictures": 1},
                **{"hazy": {"psnr": 15.0, "ssim": 0.5}, "points": points},
                "config": storage.config_to_dict(case.train),
            }

        monkeypatch.setattr(study, "measure", measure)
        return cases

    def run(self, output, **changes):
        config = dataclasses.replace(self.CONFIG, **changes)
        return study.run(config, output, variant="smoke", console=Console(quiet=True))

    def test_the_page_and_the_record(self, measured, tmp_path):
        results = self.run(tmp_path)
        record = json.loads((tmp_path / "results.json").read_text())
        assert record["results"] == results
        assert record["config"]["long_steps"] == SMOKE.long_steps
        page = (tmp_path / "report.md").read_text()
        # Slim, released, slim longer; then two weights with each of two seeds.
        assert "**slim**: -1.00 dB against the released network, lower by more than 0.3 dB" in page
        assert "**slim, longer**: +1.00 dB against the released network, not lower" in page
        assert "| released | 7 | 2 | 4 | 1 | 22.00 | 0.9000 |" in page
        assert "| 0.2 | 26.00 (25.00, 27.00) | 0.9000 (0.9000, 0.9000) |" in page
        assert image.read(tmp_path / "psnr.png").pixels.std() > 1

    def test_what_is_there_is_not_done_again(self, measured, tmp_path):
        first = self.run(tmp_path)
        assert len(measured) == 7
        (tmp_path / "budget-released-0.json").unlink()
        second = self.run(tmp_path)
        assert [case.name for case in measured[7:]] == ["released"]
        assert [r["name"] for r in second] == [r["name"] for r in first]

    def test_a_result_of_another_configuration_is_refused(self, measured, tmp_path):
        self.run(tmp_path)
        with pytest.raises(InputError, match=r"loss-0-0\.json: is the result of another"):
            self.run(tmp_path, loss_steps=3)
