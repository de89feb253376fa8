import csv
import errno
import json
import os
import statistics

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dehaze_jax import image, metrics
from dehaze_jax.data import pair_folders
from dehaze_jax.errors import InputError
from dehaze_jax.evaluation import BASELINES, evaluate, load_lpips
from dehaze_jax.haze import dark_channel_restore

COUNT = 3


def undo(hazy):
    """A restorer that knows how the pairs were made, but for the rounding."""
    return np.clip((hazy.astype(np.float32) - 100) / 0.5, 0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path):
    """Three pairs of 40 x 30 with names that HTML has to escape; hazier from one to the next."""
    random = np.random.default_rng(0)
    for side in ("hazy", "clear"):
        (tmp_path / side).mkdir()
    for index in range(COUNT):
        clear = random.integers(0, 256, (30, 40, 3)).astype(np.uint8)
        hazy = np.clip(clear * 0.5 + 100 + 10 * index, 0, 255).astype(np.uint8)
        image.write(tmp_path / "clear" / f"a & b {index}.png", clear)
        image.write(tmp_path / "hazy" / f"a & b {index}.png", hazy)
    return tmp_path


def run(folders, restorers=None, **options):
    pairs = pair_folders(folders / "hazy", folders / "clear")
    restorers = {"undo": undo} if restorers is None else restorers
    return evaluate(pairs, restorers, output=folders / "out", dataset="toy <set>", **options)


def test_scores_match_scikit_image(folders):
    report = run(folders)
    assert report.methods == ("hazy", "dark-channel", "undo")
    assert len(report.rows) == 3 * COUNT
    for row in report.rows:
        hazy, clear = (image.read(folders / x / f"{row.id}.png").pixels for x in ("hazy", "clear"))
        restored = {"hazy": hazy, "undo": undo(hazy), **{}}.get(row.method)
        if restored is None:
            restored = BASELINES["dark-channel"](hazy)
        psnr = peak_signal_noise_ratio(clear, restored, data_range=255)
        similarity = structural_similarity(
            clear,
            restored,
            data_range=255,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert row.scores["rgb-full"]["psnr"] == pytest.approx(psnr, abs=1e-3)
        assert row.scores["rgb-full"]["ssim"] == pytest.approx(similarity, abs=1e-3)


def test_dark_channel_is_the_library_function():
    hazy = np.random.default_rng(0).integers(0, 256, (20, 24, 3)).astype(np.uint8)
    expected = np.asarray(dark_channel_restore(image.to_float(hazy) + np.float32(0)))
    restored = BASELINES["dark-channel"](hazy)
    np.testing.assert_allclose(restored, expected * 255, atol=0.501)


def test_lpips_beside_the_protocols(folders, lpips_files):
    weights = load_lpips(*lpips_files)
    for side in ("hazy", "clear"):  # 30 rows are too few
        for path in (folders / side).iterdir():
            image.write(path, np.repeat(image.read(path).pixels, 2, axis=0))
    report = run(folders, lpips=weights, protocols=("rgb-full",))
    clear = image.to_float(image.read(folders / "clear" / "a & b 1.png").pixels)
    hazy = image.to_float(image.read(folders / "hazy" / "a & b 1.png").pixels)
    expected = metrics.lpips(weights, *map(jnp.asarray, (hazy, clear)))
    assert report.values("hazy", "lpips-alex", "lpips")[1] == pytest.approx(float(expected))
    means = {name: means["lpips-alex"]["lpips"]["mean"] for name, means in report.summary().items()}
    assert means["undo"] < means["hazy"]
    summary = json.loads((folders / "out" / "summary.json").read_text())
    assert summary["protocols"]["lpips-alex"]["scores"] == ["lpips"]
    assert len(summary["about"]["lpips-alex"]["weights"]) == 64
    with open(folders / "out" / "scores.csv", newline="") as file:
        (row,) = (r for r in csv.DictReader(file) if (r["id"], r["method"]) == ("a & b 1", "hazy"))
    assert float(row["lpips-alex/lpips"]) == pytest.approx(float(expected), abs=1e-6)
    page = (folders / "out" / "index.html").read_text()
    assert "LPIPS ↓" in page
    best = min(means.values())
    assert f'<td class="best">{best:.4f}' in page


def test_pictures_that_are_too_small_for_lpips(folders, lpips_files):
    with pytest.raises(InputError, match="the first: a & b 0: lpips needs 31 pixels a side"):
        run(folders, lpips=load_lpips(*lpips_files))


def test_files_agree_with_the_report(folders):
    report = run(folders, about={"undo": {"terms": "none"}})
    out = folders / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "index.html",
        "pictures",
        "scores.csv",
        "summary.json",
    ]
    with (out / "scores.csv").open() as file:
        lines = list(csv.DictReader(file))
    for line, row in zip(lines, report.rows, strict=True):
        assert (line["id"], line["method"]) == (row.id, row.method)
        for protocol, scores in row.scores.items():
            for score, value in scores.items():
                assert float(line[f"{protocol}/{score}"]) == pytest.approx(value, abs=1e-6)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["dataset"] == "toy <set>"
    assert summary["pairs"] == COUNT
    assert summary["ids"] == list(report.ids)
    assert summary["about"] == {"undo": {"terms": "none"}}
    assert summary["protocols"]["y-full"]["channels"] == "y"
    values = [float(line["y-full/psnr"]) for line in lines if line["method"] == "undo"]
    found = summary["scores"]["undo"]["y-full"]["psnr"]
    assert found["mean"] == pytest.approx(statistics.fmean(values), abs=1e-5)
    assert found["median"] == pytest.approx(statistics.median(values), abs=1e-5)


def test_pictures_are_those_of_the_methods(folders):
    report = run(folders, full_pictures=True)
    hazy = image.read(folders / "hazy" / f"{report.ids[0]}.png").pixels
    pictures = folders / "out" / "pictures"
    np.testing.assert_array_equal(image.read(pictures / "0001-a-b-0-undo.png").pixels, undo(hazy))
    # One JPEG and one PNG of hazy, dark channel, model, clear for each pair.
    assert len(list(pictures.iterdir())) == COUNT * 4 * 2


def test_small_pictures_only(folders):
    run(folders)
    assert {path.suffix for path in (folders / "out" / "pictures").iterdir()} == {".jpg"}


def test_limit_and_progress(folders):
    seen = []
    report = run(folders, limit=2, progress=lambda *now: seen.append(now))
    assert len(report.ids) == 2
    assert seen == [(1, 2), (2, 2)]


def test_protocols_can_be_chosen(folders):
    report = run(folders, protocols=("rgb-zero",))
    assert set(report.rows[0].scores) == {"rgb-zero"}


def test_bad_pairs_are_left_out_and_listed(folders):
    (folders / "hazy" / "a & b 0.png").write_bytes(b"")
    image.write(folders / "clear" / "a & b 1.png", np.zeros((90, 90, 3), np.uint8))
    report = run(folders)
    assert report.ids == ("a & b 2",)
    assert [os.path.basename(error.subject) for error in report.skipped] == [
        "a & b 0.png",
        "a & b 1.png",
    ]
    page = (folders / "out" / "index.html").read_text()
    assert "2 pairs could not be scored" in page
    assert len(json.loads((folders / "out" / "summary.json").read_text())["skipped"]) == 2


def test_an_id_that_stands_twice_counts_once(folders):
    pairs = pair_folders(folders / "hazy", folders / "clear")

    class Twice:
        fingerprint = "none"

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return pairs[0]

        def __iter__(self):
            return iter([pairs[0], pairs[0]])

    report = evaluate(Twice(), {"undo": undo}, output=folders / "out", dataset="toy")
    assert report.ids == ("a & b 0",)
    assert [error.reason for error in report.skipped] == ["this id stands twice in the dataset"]


def test_a_restorer_that_fails_costs_the_pair(folders):
    calls = []

    def fails_once(hazy):
        calls.append(hazy)
        if len(calls) == 2:
            raise InputError("picture", "the restored values are not finite")
        return hazy

    report = run(folders, {"model": fails_once})
    assert len(report.ids) == COUNT - 1
    assert "a & b 1: model: the restored values are not finite" in str(report.skipped[0])


@pytest.mark.parametrize(
    "broken", ["none left", "interrupted", "full disk", "disk full after the pictures"]
)
def test_failures_leave_an_earlier_report_alone(folders, monkeypatch, broken):
    run(folders)
    out = folders / "out"
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def fails(hazy):
        raise {
            "none left": InputError("picture", "bad"),
            "interrupted": KeyboardInterrupt(),
        }[broken]

    if "full" in broken:
        pictures = COUNT * 4  # hazy, dark channel, restored, clear
        left = [0 if broken == "full disk" else pictures]
        replace = os.replace

        def full(*paths):
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left[0] -= 1
            replace(*paths)

        monkeypatch.setattr(os, "replace", full)
        with pytest.raises(InputError, match="No space left"):
            run(folders)
    else:
        with pytest.raises((InputError, KeyboardInterrupt)):
            run(folders, {"model": fails})
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_equal_pictures_have_infinite_psnr(folders):
    for index in range(COUNT):
        name = f"a & b {index}.png"
        (folders / "clear" / name).write_bytes((folders / "hazy" / name).read_bytes())
    report = run(folders, {"same": lambda hazy: hazy}, protocols=("rgb-zero",))
    assert list(report.gains().values()) == [0.0] * COUNT
    summary = json.loads((folders / "out" / "summary.json").read_text())
    assert summary["scores"]["same"]["rgb-zero"]["psnr"]["mean"] is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"protocols": ("psnr",)}, "no such protocol"),
        ({"restorers": {"hazy": undo}}, "name of a baseline"),
        ({"protocols": ()}, "protocols: at least one"),
        ({"limit": 0}, "limit: must be at least 1, not 0"),
    ],
)
def test_refusals(folders, options, reason):
    with pytest.raises(InputError, match=reason):
        run(folders, **options)
    assert not (folders / "out").exists()


def test_pictures_of_the_users_are_not_replaced(folders):
    (folders / "out" / "pictures").mkdir(parents=True)
    (folders / "out" / "pictures" / "wedding.jpg").touch()
    with pytest.raises(InputError, match="pictures: belongs to no earlier report"):
        run(folders)
    assert os.listdir(folders / "out") == ["pictures"]
    assert os.listdir(folders / "out" / "pictures") == ["wedding.jpg"]


def test_output_folder_must_have_a_parent(folders):
    pairs = pair_folders(folders / "hazy", folders / "clear")
    with pytest.raises(InputError, match="cannot be written"):
        evaluate(pairs, {}, output=folders / "no" / "out", dataset="toy")
