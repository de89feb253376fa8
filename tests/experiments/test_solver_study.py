import csv
import dataclasses
import json
import math
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import scipy.integrate
from rich.console import Console
from solver_study.analytic import analytic_fields
from solver_study.config import VARIANTS
from solver_study.fields import make_real
from solver_study.findings import SOLVED, cheapest, worth_from
from solver_study.solving import Problem, Programs, Setting
from solver_study.study import run
from studies.landscapes import Landscapes

from dehaze_jax import image

FIELDS = analytic_fields(3, 4, 0)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_closed_forms(field, x64):
    velocity = jax.jit(lambda t, x: field.velocity(t, x.reshape(field.x0.shape), field.params))
    solution = scipy.integrate.solve_ivp(
        lambda t, x: np.ravel(velocity(t, x)),
        (0, 1),
        field.x0.ravel(),
        method="DOP853",
        rtol=1e-11,
        atol=1e-12,
    )
    np.testing.assert_allclose(solution.y[:, -1], field.end.ravel(), atol=1e-9)
    assert np.abs(field.end - field.x0).max() > 0.05


def _still(t, x, params):
    return x * 0


def test_problems_of_one_velocity_and_shape_share_programs():
    programs = Programs(max_steps=64)
    one, two = (Problem(_still, np.full(3, value, np.float32), None) for value in (1, 2))
    other = Problem(_still, np.ones(4, np.float32), None)
    setting = Setting("rk4", steps=2)
    sought = [
        (one, setting, 1),
        (two, setting, 1),
        (other, setting, 2),
        (one, Setting("rk4", steps=3), 3),
        (one, Setting("heun", tolerance=1e-2), 4),
        (two, Setting("heun", tolerance=1e-3), 4),
    ]
    for problem, how, count in sought:
        end, _ = programs.find(problem, how).run(problem.x0, problem.params)
        assert len(programs) == count
        np.testing.assert_array_equal(end, problem.x0)


def test_real_pairs_are_cut_and_shrunk(tmp_path):
    clear = np.zeros((20, 60, 3), np.uint8)
    clear[:, 20:40] = 100  # the central square
    for number in range(3):
        for folder, value in (("hazy", 50), ("clear", 0)):
            (tmp_path / folder).mkdir(exist_ok=True)
            pixels = image.Picture((clear + value + number).astype(np.uint8))
            image.write(tmp_path / folder / f"{number}.png", pixels)
    config = dataclasses.replace(
        VARIANTS["smoke"], pictures=2, landscapes=Landscapes(height=10, width=10)
    )
    field = make_real(config, tmp_path / "hazy", tmp_path / "clear")
    assert field.kind == "real"
    assert field.pairs.ids == ("0", "2")  # spread evenly
    np.testing.assert_allclose(field.pairs.clear[0][:, 1:-1], 100 / 255, atol=1e-6)
    np.testing.assert_allclose(field.pairs.hazy[1][:, 1:-1], 152 / 255, atol=1e-6)
    np.testing.assert_array_equal(field.picture(field.problem.x0), field.pairs.hazy)


def solves(errors, reference_error=1e-6):
    """A result with the given errors: {(solver, evaluations): error}."""
    rows = [
        SimpleNamespace(solver=solver, mode="fixed", nfe=nfe, error=error)
        for (solver, nfe), error in errors.items()
    ]
    return SimpleNamespace(rows=rows, reference_error=reference_error)


LOW = {("euler", 4): 0.2, ("euler", 8): 0.1, ("heun", 4): 0.05, ("heun", 16): 0.01}


class TestWorth:
    """From which budget on RK4 beats every low solver."""

    def test_from_the_budget_after_its_last_defeat(self):
        rk4 = {("rk4", 4): 0.06, ("rk4", 8): 0.04, ("rk4", 16): 0.001}
        assert worth_from(solves({**LOW, **rk4})) == 8

    def test_never(self):
        rk4 = {("rk4", 4): 0.01, ("rk4", 16): 0.02}
        assert worth_from(solves({**LOW, **rk4})) is None

    def test_errors_below_the_reference_s_own_do_not_count(self):
        even = {("heun", 32): 3e-7, ("rk4", 8): 0.01, ("rk4", 32): 4e-7}
        assert worth_from(solves({**LOW, **even})) == 8

    def test_solvers_of_high_order_are_no_rivals(self):
        assert worth_from(solves({("tsit5", 4): 1e-4, ("euler", 4): 0.1, ("rk4", 4): 0.01})) == 4


def test_the_cheapest_setting_has_only_good_ones_after_it():
    lucky = {("euler", 1): 0.001, ("euler", 2): 0.1, ("euler", 4): 0.001, ("heun", 6): 0.001}
    row = cheapest(solves(lucky), "fixed", lambda row: row.error <= SOLVED)
    assert (row.solver, row.nfe) == ("euler", 4)
    assert cheapest(solves(lucky), "fixed", lambda row: row.error < 0) is None
    assert cheapest(solves(lucky), "adaptive", lambda row: True) is None


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    output = tmp_path_factory.mktemp("solver_study")
    run(VARIANTS["smoke"], output, variant="smoke", console=Console(quiet=True))
    return output


@pytest.fixture(scope="module")
def rows(output):
    with (output / "results.csv").open() as file:
        return list(csv.DictReader(file))


class TestSmoke:
    def test_every_solve_is_there_once(self, rows):
        fields = ["straight", "thinning", "rotation", "stiff", "scattering"]
        ways = [("rk4", "fixed"), ("rk4", "fixed"), ("bosh3", "fixed"), ("bosh3", "fixed")]
        expected = [(field, *way) for field in fields for way in [*ways, ("bosh3", "adaptive")]]
        assert [(row["field"], row["solver"], row["mode"]) for row in rows] == expected

    def test_evaluations(self, rows):
        for row in rows:
            steps = int(row["steps"])
            assert steps == int(row["accepted"]) + int(row["rejected"])
            if row["mode"] == "fixed":
                expected = 4 * steps if row["solver"] == "rk4" else 3 * steps + 1
                assert int(row["nfe"]) == expected
                assert row["tolerance"] == ""
            else:
                assert float(row["tolerance"]) == 0.01

    def test_orders(self, rows):
        found = {
            (row["field"], row["solver"]): float(row["order"])
            for row in rows
            if row["mode"] == "fixed" and row["steps"] == "8" and row["order"]
        }
        assert found["rotation", "rk4"] == pytest.approx(4, abs=0.25)
        assert found["rotation", "bosh3"] == pytest.approx(3, abs=0.25)
        errors = [
            float(row["error"])
            for row in rows
            if (row["field"], row["solver"], row["mode"]) == ("rotation", "rk4", "fixed")
        ]
        assert found["rotation", "rk4"] == pytest.approx(math.log2(errors[0] / errors[1]), abs=1e-3)

    def test_a_straight_line_is_solved_exactly(self, rows):
        errors = [float(row["error"]) for row in rows if row["field"] == "straight"]
        assert max(errors) < 1e-14

    def test_measured_everywhere(self, rows):
        for row in rows:
            assert row["ok"] == "True"
            assert float(row["seconds"]) > 0
            assert float(row["compile_seconds"]) > 0
            assert float(row["peak_megabytes"]) > float(row["scratch_megabytes"]) > 0
            assert (row["psnr"] == "") == (row["kind"] == "analytic")

    def test_the_record(self, output):
        record = json.loads((output / "results.json").read_text())
        assert record["config"] == json.loads(json.dumps(dataclasses.asdict(VARIANTS["smoke"])))
        assert record["machine"]["versions"]["jax"] == jax.__version__
        assert len(record["fields"]["scattering"]["pairs"]["fingerprint"]) == 64
        assert record["fields"]["straight"]["bend"] == pytest.approx(0, abs=1e-12)
        assert record["fields"]["thinning"]["bend"] > 0.01
        trained = record["fields"]["scattering"]
        assert trained["hazy"]["psnr"] != trained["solved"]["psnr"]

    def test_the_page_and_its_pictures(self, output):
        page = (output / "report.md").read_text()
        for name in (
            "overview",
            "error-stiff",
            "error-scattering",
            "psnr-scattering",
            "strip-scattering",
        ):
            assert f"]({name}.png)" in page
            assert image.read(output / f"{name}.png").pixels.std() > 1
        assert "rotating colours 2 of 2" in page  # the orders are the nominal ones

    def test_double_precision_does_not_stay_on(self, output):
        assert not jax.config.jax_enable_x64
