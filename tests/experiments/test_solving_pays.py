import csv
import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from rich.console import Console
from solving_pays import folds, measuring
from solving_pays.comparing import Difference, bootstrap, compare, verdict
from solving_pays.config import MATCHING, ONE_STEP, RECIPES, VARIANTS, StudyConfig, Way
from solving_pays.report import as_markdown
from solving_pays.results import Results, Run
from solving_pays.study import run

import dehaze_jax
from dehaze_jax import data, flow, image, metrics, restoring
from dehaze_jax.errors import InputError

QUIET = Console(quiet=True)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_every_recipe_says_what_it_costs_and_can_be_built(recipe):
    objective = StudyConfig().train_config(recipe, 0, "prepared", "run").method.objective
    matching = objective.kind in ("matching", "both")
    solver = flow.SOLVERS[objective.rollout_solver]
    rollout = flow.evaluations(solver, objective.rollout_steps)
    assert recipe.evaluations == matching + (objective.kind != "matching") * rollout
    if objective.kind != "matching":
        assert recipe.own == (objective.rollout_solver, objective.rollout_steps)


class TestFolds:
    def test_no_scene_is_in_two_parts_and_parts_are_alike(self):
        scenes = {"a": 5, "b": 3, "c": 2, "d": 1, "e": 1}
        part = folds.deal(scenes, 3)
        assert part == {"a": 0, "b": 1, "c": 2, "d": 2, "e": 1}
        sizes = [sum(scenes[s] for s in scenes if part[s] == number) for number in range(3)]
        assert sizes == [5, 4, 3]

    def test_pictures_of_a_folder(self, tmp_path):
        """Two sets, one scene in both; what is kept for evaluation, and rendered sets, stay out."""
        rng = np.random.default_rng(0)
        places = {
            ("o-haze_800", "train", "1"): "garden",
            ("nh-haze_800", "val", "2"): "garden",
            ("o-haze_800", "train", "3"): "street",
            ("o-haze_800", "eval", "4"): "street",
            ("sots-indoor", "train", "5"): "room",
        }
        pictures, rows = {}, []
        for (dataset, use, name), scene in places.items():
            for role in ("hazy", "clear"):
                file = f"{dataset}/{use}/{role}/{name}.png"
                pictures[file] = rng.integers(0, 256, (5, 8, 3), np.uint8)
                path = tmp_path / "data" / file
                path.parent.mkdir(parents=True, exist_ok=True)
                image.write(path, pictures[file])
                rows.append((file, dataset, use, role, scene))
        with (tmp_path / "data" / "MANIFEST.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("file", "dataset", "use", "role", "scene_group"), *rows])
        made = folds.make_folds(tmp_path / "data", tmp_path, 2, QUIET)
        held = [[e.id for e in data.open_prepared(fold, "validation")] for fold in made]
        assert held == [["nh-haze_800_2", "o-haze_800_1"], ["o-haze_800_3"]]
        trained = [[e.id for e in data.open_prepared(fold, "train")] for fold in made]
        assert trained == held[::-1]
        found = next(iter(data.open_prepared(made[1], "validation"))).clear
        whole = pictures["o-haze_800/train/clear/3.png"][:4].astype(float)
        sums = whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]
        np.testing.assert_allclose(found, sums / 4, atol=0.5001)
        assert folds.set_of("nh-haze_800_2") == "nh-haze_800"
        assert folds.scenes_of(tmp_path / "data") == {
            "o-haze_800_1": "garden",
            "nh-haze_800_2": "garden",
            "o-haze_800_3": "street",
        }
        manifest = tmp_path / "data" / "MANIFEST.csv"
        manifest.write_text(manifest.read_text().replace("street", "garden"))
        with pytest.raises(InputError, match="holds parts of other pairs than those of"):
            folds.make_folds(tmp_path / "data", tmp_path, 2, QUIET)

    def test_refusals(self, tmp_path):
        with pytest.raises(InputError, match=r"MANIFEST\.csv: does not exist"):
            folds.make_folds(tmp_path, tmp_path, 2, QUIET)
        (tmp_path / "MANIFEST.csv").write_text("file,dataset,use,role,scene_group\n")
        with pytest.raises(InputError, match="names no pictures of o-haze_800"):
            folds.make_folds(tmp_path, tmp_path, 2, QUIET)


class TestComparing:
    VALUES = np.random.default_rng(0).normal(0.3, 1.0, 40)

    def test_interval_against_scipy(self):
        ours = bootstrap(self.VALUES, list(map(str, range(40))), resamples=20_000)
        theirs = scipy.stats.bootstrap(
            (self.VALUES,), np.mean, n_resamples=20_000, method="percentile", rng=1
        ).confidence_interval
        assert ours.mean == pytest.approx(self.VALUES.mean())
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)

    def test_scenes_are_drawn_whole(self):
        """A ratio of sums over scenes, for SciPy; wider, as pictures of a scene are alike."""
        scenes = np.repeat(np.arange(12), np.arange(1, 13))
        values = 0.2 * np.random.default_rng(1).normal(size=78) + np.sin(scenes)
        sums = np.array([values[scenes == scene].sum() for scene in range(12)])
        counts = np.arange(1, 13)
        ours = bootstrap(values, [f"scene {scene}" for scene in scenes], resamples=20_000)
        theirs = scipy.stats.bootstrap(
            (sums, counts),
            lambda sums, counts, axis=-1: sums.sum(axis) / counts.sum(axis),
            n_resamples=20_000,
            method="percentile",
            paired=True,
            rng=1,
        ).confidence_interval
        assert ours.mean == pytest.approx(values.mean())
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)
        alone = bootstrap(values, list(map(str, range(78))), resamples=2_000)
        assert ours.high - ours.low > 2 * (alone.high - alone.low)

    def test_less_of_a_colour_difference_is_better(self):
        scores = {name: [1.0, 2.0] for name in ("psnr", "ssim", "ciede2000")}
        more = {name: [2.0, 3.0] for name in scores}
        found = compare(more, scores, "ab", resamples=9)
        means = {name: each.mean for name, each in found.items()}
        assert means == {"psnr": 1, "ssim": 1, "ciede2000": -1}

    @pytest.mark.parametrize(
        ("intervals", "expected"),
        [
            (((1, 2), (-1, 1)), "pays"),
            (((-2, -1), (-1, 1)), "costs"),
            (((1, 2), (-2, -1)), "mixed"),
            (((-1, 1), (-2, 2)), "open"),
        ],
    )
    def test_verdict(self, intervals, expected):
        found = {
            str(number): Difference(mean=0.0, low=low, high=high)
            for number, (low, high) in enumerate(intervals)
        }
        assert verdict(found) == expected


def _outputs(layers):
    """The head gives most values."""
    return lambda name: layers[name]["bias"].size


def test_sharpness_of_a_ramp():
    """Luma that rises by 0.1 to the right and by 0.3 downwards."""
    ramp = 0.1 * jnp.arange(4.0)[None, :] + 0.3 * jnp.arange(3.0)[:, None]
    pictures = jnp.repeat(ramp[None, ..., None], 3, axis=-1)
    np.testing.assert_allclose(measuring.detail(pictures), [0.2], rtol=1e-5)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Two recipes of the smoke variant."""
    output = tmp_path_factory.mktemp("solving")
    config = dataclasses.replace(VARIANTS["smoke"], recipes=(ONE_STEP, MATCHING))
    return config, output, run(config, output, pairs=None, variant="smoke", console=QUIET)


class TestStudy:
    def test_page_and_record(self, smoke):
        config, output, results = smoke
        page = (output / "report.md").read_text()
        assert results.recipes == list(config.recipes)
        assert "Not run: `one step, other seeds`, `one step, longer`, `RK4`, " in page
        row = next(line for line in page.splitlines() if line.startswith("| one step | euler x 1"))
        assert f"| {results.mean(ONE_STEP, Way('euler', 1))['psnr']:.2f} |" in row
        assert f"| 1 | {config.train_steps} |" in row
        for name in ("steps.png", "differences.png", "pictures.jpg"):
            assert image.read(output / name).pixels.std() > 1
        record = json.loads((output / "results.json").read_text())
        again = [Run.from_record(run) for run in record["runs"]]
        assert again == results.runs

    def test_scores_are_those_of_the_restorer(self, smoke):
        _, output, results = smoke
        restorer = dehaze_jax.load(output / "runs" / "one-step-0", solver="euler", steps=1)
        prepared = next(output.glob("landscapes-*"))
        example = next(iter(data.open_prepared(prepared, "validation")))
        pair = (jnp.asarray(image.to_float(part)) for part in (example.hazy, example.clear))
        hazy, clear = pair
        restored = jnp.asarray(restorer(np.asarray(hazy)))
        expected = float(metrics.score("rgb-full", restored, clear)["psnr"])
        ours = results.pooled(ONE_STEP, Way("euler", 1))[example.id]["psnr"]
        assert ours == pytest.approx(expected, abs=0.02)  # a few pixels round the other way
        untouched = float(metrics.score("rgb-full", hazy, clear)["psnr"])
        assert results.untouched()[example.id]["psnr"] == pytest.approx(untouched)

    def test_controls(self, smoke):
        """One Euler step asks at t = 0: reversed is t = 1. The field as it is has its own score."""
        _, _, results = smoke
        run_ = results.runs_of(ONE_STEP)[0]
        assert set(run_.controls) == {"as it is", "time reversed", "time constant", "LUT reset"}
        own = run_.mean(Way("euler", 1))["psnr"]
        assert run_.controls["as it is"]["psnr"] == pytest.approx(own, abs=0.02)
        others = [c["psnr"] for name, c in run_.controls.items() if name != "as it is"]
        assert min(abs(other - own) for other in others) > 1e-3

    def test_one_straight_trajectory(self, smoke):
        """A field without time and without dependence on the state moves on straight lines."""
        _, output, results = smoke
        restorer = dehaze_jax.load(output / "runs" / "one-step-0")
        held = measuring.load_held(str(next(output.glob("landscapes-*"))))
        zeros = jax.tree.map(jnp.zeros_like, restorer.variables)
        layers = zeros["purifier"]
        head = max((name for name in layers if name.startswith("Dense_")), key=_outputs(layers))
        bias = layers[head]["bias"].reshape(-1, 3, 4).at[..., 3].set(0.1).ravel()
        layers[head] = {**layers[head], "bias": bias}
        constant = restoring.Restorer(restorer.method, zeros, config=restorer.config)
        assert measuring.straightness(constant, held, 4) == pytest.approx(1, abs=1e-4)
        assert results.runs[0].straightness < 1

    def test_means_over_parts_are_over_pictures(self, smoke):
        """A part of twice as many pictures counts twice."""
        config, _, results = smoke
        run_ = results.runs_of(ONE_STEP)[0]
        halves = {name: dict.fromkeys(v, 0.0) for name, v in run_.controls.items()}
        twice = dataclasses.replace(
            run_, ids=run_.ids * 2, straightness=run_.straightness + 3, controls=halves
        )
        both = Results(config, "smoke", results.hazy, results.scenes, [run_, twice])
        assert both.straightness(ONE_STEP) == pytest.approx(run_.straightness + 2)
        ours = both.control(ONE_STEP, "LUT reset")["psnr"]
        assert ours == pytest.approx(run_.controls["LUT reset"]["psnr"] / 3)

    def test_backbones_are_compared_with_one_another(self, smoke):
        """Not with one step of another network."""
        config, _, results = smoke
        one = results.runs_of(ONE_STEP)[0]
        names = (ONE_STEP, "RK4", "RK4, nafnet")
        scores = {**one.scores, Way("rk4", 1): one.scores[Way("euler", 1)]}
        runs = [dataclasses.replace(one, recipe=name, scores=scores) for name in names]
        config = dataclasses.replace(config, recipes=names)
        page = as_markdown(Results(config, "smoke", results.hazy, results.scenes, runs))
        before, own = page.split("## Backbones")
        rows = [line for line in before.splitlines() if line.startswith("| RK4, nafnet | ")]
        assert not any("open" in row for row in rows)
        assert "| RK4 | +0.00 [" in before or "| RK4 | -0.00 [" in before
        assert "| nafnet | " in own
        assert "| RK4, nafnet | +0.00 [+0.00, +0.00] |" in own

    def test_scenes_of_rendered_pictures(self, smoke):
        """Two hazes each."""
        _, _, results = smoke
        assert set(results.scenes) == set(results.untouched())
        assert len(results.scenes) == 2 * len(set(results.scenes.values()))

    def test_goes_on_and_refuses_another_configuration(self, smoke, tmp_path):
        config, output, results = smoke
        again = run(config, output, pairs=None, console=QUIET)
        assert again.runs == results.runs
        moved = shutil.copytree(output, tmp_path / "moved")
        for file in (moved / "measured").iterdir():  # of a version that did not know all fields
            record = json.loads(file.read_text())
            del record["asked"]["config"]["data"]["haze_scale"]
            file.write_text(json.dumps(record))
        assert run(config, moved, pairs=None, console=QUIET).runs == results.runs
        other = dataclasses.replace(config, learning_rate=1e-3)
        with pytest.raises(InputError, match="is the result of another configuration"):
            run(other, output, pairs=None, console=QUIET)
        ways = dataclasses.replace(config, ways=(*config.ways, Way("rk4", 2)))
        with pytest.raises(InputError, match="is the result of another configuration"):
            run(ways, output, pairs=None, console=QUIET)

    def test_what_all_are_compared_with_has_to_be_there(self):
        with pytest.raises(InputError, match=r"recipes: \('matching',\) must hold"):
            StudyConfig(recipes=(MATCHING,))
        with pytest.raises(InputError, match="recipes: no recipe 'two'; there are one step, "):
            StudyConfig(recipes=(ONE_STEP, "two"))

    def test_real_pairs_have_to_be_named(self, tmp_path):
        with pytest.raises(InputError, match="--pairs: is needed"):
            run(StudyConfig(), tmp_path, pairs=None, console=QUIET)
