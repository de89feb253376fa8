import errno
import json

import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.storage import RunDirectory

CONFIG = {
    "steps": 10,
    "optimiser": {"rate": 0.1, "decay": 0.9},
    "names": ["a"],
    "mesh": {"data": 1},
}


@pytest.fixture
def run(tmp_path):
    return RunDirectory(tmp_path / "deep" / "run")


def test_the_same_config_does_not_differ(run):
    run.write_config(CONFIG)
    assert run.differences({**CONFIG, "names": ("a",)}) == []


def test_fields_that_differ_are_named(run):
    run.write_config(CONFIG)
    other = {**CONFIG, "steps": 20, "optimiser": {"rate": 0.2, "decay": 0.9}, "new": 1}
    assert run.differences(other, may_change={"steps"}) == [
        "optimiser.rate was 0.1, is 0.2",
        "new was 'absent', is 1",
    ]


def test_what_the_first_config_lacks_can_be_given(run):
    run.write_config(CONFIG)
    later = {**CONFIG, "new": 1, "newer": 2}
    found = run.differences(later, complete=lambda saved: {"new": 1, "newer": 3, **saved})
    assert found == ["newer was 3, is 2"]


def test_a_free_name_covers_what_is_below_it(run):
    run.write_config(CONFIG)
    assert run.differences({**CONFIG, "mesh": {"data": 4}}, may_change={"mesh"}) == []


def test_what_was_left_half_written_goes(run):
    whole = ("config.json", "run.json", "metrics.jsonl", "weights/card.json", "best/card.json")
    for name in (*whole, ".lock", ".best.x/card.json", ".weights.x.old/card.json"):
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_text("{}")
    for name in (".config.json.x", ".run.json.x", ".metrics.jsonl.x"):
        (run.path / name).write_text("{")
    run.tidy()
    left = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    assert left == {*whole, ".lock"}


def test_final_weights_are_of_one_step(run):
    assert not run.has_weights(8)
    run.weights.mkdir()
    (run.weights / "card.json").write_text('{"step": 8}')
    assert run.has_weights(8)
    assert not run.has_weights(9)


def test_later_starts_are_added_to_the_record(run):
    run.write_record({"seed": 1}, resumed=False)
    run.write_record({"step": 3}, resumed=True)
    run.write_record({"step": 5}, resumed=True)
    assert json.loads(run.record.read_text()) == {
        "seed": 1,
        "resumes": [{"step": 3}, {"step": 5}],
    }


def test_metrics_past_the_step_and_a_cut_off_line_go(run):
    for step in (1, 2, 3):
        run.append_metrics({"step": step, "loss": 0.5 / step})
    with run.metrics.open("a") as file:
        file.write('{"step": 4, "lo')
    run.truncate_metrics(2)
    assert run.read_metrics() == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]
    run.append_metrics({"step": 3, "loss": 1.0})
    assert [line["step"] for line in run.read_metrics()] == [1, 2, 3]


def test_a_non_finite_metric_is_still_json(run):
    run.append_metrics({"step": 1, "psnr": float("inf")})
    assert run.read_metrics() == [{"step": 1, "psnr": "inf"}]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match=r"run: cannot be used as a run directory: is a file"):
        RunDirectory(tmp_path / "run")


def test_one_run_at_a_time(run):
    other, busy = RunDirectory(run.path), "another process is training in it"
    with run.claim(), pytest.raises(InputError, match=busy), other.claim():
        pass
    with other.claim():
        pass


def test_a_file_system_without_locks_keeps_nobody_out(run, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with run.claim():
        pass


def put_best(run, **card):
    run.best.mkdir(parents=True, exist_ok=True)
    (run.best / "card.json").write_text(json.dumps({"step": 8, "scored_on": ["a", "b"], **card}))


def test_the_best_is_the_highest_score_of_the_same_pictures(run):
    assert run.is_best("psnr", {"psnr": 1.0}, ["a", "b"])
    put_best(run, scores={"psnr": 20.0})
    for score, best in ((19.0, False), (20.0, False), (20.1, True)):
        assert run.is_best("psnr", {"psnr": score}, ["a", "b"]) == best
    assert run.is_best("psnr", {"psnr": 19.0}, ["a", "c"])


@pytest.mark.parametrize(("step", "kept"), [(7, False), (8, True), (9, True)])
def test_the_best_of_a_later_step_is_of_another_start(run, step, kept):
    put_best(run, scores={"psnr": 20.0})
    run.drop_best(step)
    assert run.best.exists() == kept


def test_a_best_that_was_cut_off_is_none(run):
    run.best.mkdir(parents=True)
    (run.best / "card.json").write_text("{")
    assert run.is_best("psnr", {"psnr": 1.0}, ["a"])
    run.drop_best(9)
    assert not run.best.exists()
