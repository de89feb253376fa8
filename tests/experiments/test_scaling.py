import dataclasses
import json

import pytest
from rich.console import Console
from scaling.config import VARIANTS, Accelerator, StudyConfig
from scaling.counting import Count, Work, layouts
from scaling.model import (
    BATCHED,
    COMPUTED,
    LOADED,
    REDUCED,
    Task,
    cores_needed,
    predict,
    reduce_seconds,
    ring_seconds,
    strong,
    weak,
)
from scaling.report import as_task, findings, select
from scaling.run import study

# Ten operations a second, of which half; a byte a second.
TOY = Accelerator(
    name="toy", source="none", flops=10.0, sustained=0.5, link=4.0, network=1.0, group=4, cores=2
)
PLAIN = StudyConfig(
    accelerators=(TOY,),
    modelled=(1, 2, 4, 8, 16),
    batch_per_device=2,
    global_batch=4,
    hop=0.0,
    crop_seconds=0.0,
    reader_share=0.5,
    critical_batch=10**9,
)
TASK = Task(operations=20.0, summed=0.0, messages=3, halo={2: 8.0, 4: 12.0})


def given(task=TASK, *, devices=1, batch=4, **values):
    point = predict(task, TOY, dataclasses.replace(PLAIN, **values), devices=devices, batch=batch)
    assert point is not None
    return point


class TestModel:
    def test_a_ring_sends_all_but_one_part_twice(self):
        assert ring_seconds(100, 1, 10, 1.0) == 0
        assert ring_seconds(100, 4, 10, 0.0) == pytest.approx(2 * 3 / 4 * 100 / 10)
        assert ring_seconds(0, 4, 10, 0.5) == pytest.approx(6 * 0.5)
        # Ever more devices send twice the whole.
        assert ring_seconds(100, 10**6, 10, 0.0) == pytest.approx(20, rel=1e-5)

    def test_groups_send_one_part_over_the_network(self):
        assert reduce_seconds(96, 4, TOY, 0.0) == ring_seconds(96, 4, 4.0, 0.0)
        both = ring_seconds(96, 4, 4.0, 0.0) + ring_seconds(24, 3, 1.0, 0.0)
        assert reduce_seconds(96, 12, TOY, 0.0) == pytest.approx(both)
        assert reduce_seconds(0, 16, TOY, 1.0) == 2 * 3 + 2 * 3

    def test_one_device_only_computes(self):
        point = given()
        assert point.step == point.computing == 4 * 20 / 5
        assert (point.limit, point.space) == (COMPUTED, 1)
        assert point.rate == pytest.approx(1 / 4)

    def test_seconds_may_be_given(self):
        assert given(seconds=0.5).computing == 2

    def test_loading_runs_beside_computing(self):
        # One core loads a crop in so many seconds; computing one takes 4.
        slower, faster = given(crop_seconds=5.0), given(crop_seconds=3.0)
        assert (slower.step, slower.limit) == (20, LOADED)
        assert (faster.step, faster.limit) == (16, COMPUTED)
        assert cores_needed(TASK, TOY, dataclasses.replace(PLAIN, crop_seconds=5.0)) == 2.5

    def test_what_computing_does_not_hide_of_sums(self):
        task = dataclasses.replace(TASK, summed=64.0)
        point = given(task, devices=2, batch=2)
        assert point.summing == 16  # 2 (n - 1) / n x 64 bytes at 4 a second
        assert point.step == 4 + 16
        assert point.limit == REDUCED
        assert given(task, devices=2, batch=2, overlap=1.0).summing == 12
        assert given(task, devices=2, batch=2, overlap=5.0).step == 4
        assert given(task, devices=2, batch=2, worth=0.9).limit == COMPUTED

    def test_rows_are_divided_when_the_batch_is(self):
        point = given(devices=8, batch=4)
        assert point.space == 2
        assert point.computing == 4 / 8 * 4
        assert point.halo == 1 * 8.0 / 4  # an example of each pair of devices
        assert given(devices=8, batch=4, hop=0.1).halo == pytest.approx(2 + 3 * 0.1)
        # Eight to a picture were not counted.
        assert predict(TASK, TOY, PLAIN, devices=32, batch=4) is None

    def test_examples_of_large_batches_are_worth_less(self):
        point = given(batch=4, critical_batch=4)
        assert (point.useful, point.limit) == (0.5, BATCHED)
        assert point.rate == pytest.approx(0.5 / 4)

    def test_without_losses_twice_the_devices_do_twice_the_work(self):
        free = dataclasses.replace(TASK, halo={2: 0.0, 4: 0.0})
        for points in (weak, strong):
            found = points(free, TOY, PLAIN)
            assert [point.devices for point in found] == [1, 2, 4, 8, 16]
            assert [point.rate for point in found] == pytest.approx(
                [n / 4 for n in (1, 2, 4, 8, 16)]
            )
        assert {point.batch for point in strong(TASK, TOY, PLAIN)} == {4}
        assert [point.batch for point in weak(TASK, TOY, PLAIN)] == [2, 4, 8, 16, 32]


def count(axis, devices, batch, **values):
    standard = {
        "method": "toy",
        "sent": {"all-reduce": 2 * (devices - 1) / devices * 1000.0},
        "messages": 2,
        "summed": 1000,
        "parameters": 1000,
    }
    return Count(axis=axis, devices=devices, batch=batch, **standard | values)


WORK = Work(method="toy", operations=20.0, parameters=1000)
COUNTS = [
    count("data", 2, 4),
    count("data", 4, 8),
    count("space", 2, 4, sent={"all-reduce": 1000.0, "collective-permute": 80.0}, messages=7),
]


def test_a_task_from_counts():
    task = as_task(WORK, COUNTS)
    assert task == Task(operations=20.0, summed=1000.0, messages=7, halo={2: 20.0})


def test_weak_and_strong_counts():
    config = StudyConfig(axes=("data",), devices=(2, 4), weak_batch=2, strong_batch=8)
    assert list(layouts(config)) == [("data", 2, 4), ("data", 2, 8), ("data", 4, 8)]
    counts = [count(*layout) for layout in layouts(config)]
    assert [c.batch for c in select(counts, config, "weak")] == [4, 8]
    assert [c.devices for c in select(counts, config, "strong")] == [2, 4]


def test_findings_say_where_limits_set_in():
    config = dataclasses.replace(PLAIN, modelled=(1, 2), crop_seconds=5.0, critical_batch=4)
    counted, modelled, *remedies = findings([WORK], COUNTS, config)
    assert "Over `data` nothing is gathered; on 4 devices each sends 0.0 MB" in counted
    assert "1.00 times what the gradients alone make" in counted
    assert "2.5 processor cores for each accelerator; there are 2: loading is the limit" in modelled
    assert "sums and halos take more than 10% of the step from 2 on" in modelled
    assert "the batch reaches the critical 4 at 2" in modelled
    assert [line.split("**")[1] for line in remedies] == [
        f"If {limit} is the limit" for limit in (LOADED, REDUCED, BATCHED)
    ]


def test_whole_study(tmp_path):
    works, counts = study("smoke", tmp_path, console=Console(quiet=True))
    config = VARIANTS["smoke"]
    assert [(c.axis, c.devices, c.batch) for c in counts] == list(layouts(config))
    by_axis = {c.axis: c for c in counts}
    # Gradients, and a few scalars, once.
    data = by_axis["data"]
    assert set(data.sent) == {"all-reduce"}
    assert data.parameters <= data.sent["all-reduce"] < data.parameters + 200
    assert "collective-permute" in by_axis["space"].sent
    assert "all-gather" in by_axis["fsdp"].sent
    assert works[0].operations > 0
    record = json.loads((tmp_path / "results.json").read_text())
    assert record["counts"][0]["sent"] == counts[0].sent
    page = (tmp_path / "report.md").read_text()
    assert "NaN" not in page
    assert f"{by_axis['space'].total / 1e6:.3f}" in page
    assert {file.name for file in tmp_path.glob("*.png")} == {"bytes.png", "model.png"}
