import json
import shutil

import cv2
import numpy as np
import pytest

from dehaze_jax.cli.prepare import main
from dehaze_jax.data import open_prepared, split_sizes
from dehaze_jax.errors import InputError


@pytest.fixture
def source(tmp_path):
    for folder in ("hazy", "clear"):
        (tmp_path / "source" / folder).mkdir(parents=True)
        for name in "abcd":
            pixels = np.random.default_rng(ord(name)).integers(0, 255, (8, 9, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "source" / folder / f"{name}.png"), pixels)
    return str(tmp_path / "source")


def test_pairs_of_the_users_are_prepared(tmp_path, source, capsys):
    target = str(tmp_path / "p")
    assert main(["paired_folder", "--to", target, "--from", source]) == 0
    out, err = capsys.readouterr()
    assert out == f"{target}: 2 train, 1 validation, 1 test\n"
    assert not err
    assert open_prepared(target, "train")[0].hazy.shape == (8, 9, 3)


def test_options_reach_the_builder(tmp_path):
    target = str(tmp_path / "p")
    options = ["--size", "16", "24", "--scenes", "3", "--hazes", "2", "--seed", "5"]
    assert main(["rendered_haze/landscapes", "--to", target, *options]) == 0
    assert split_sizes(target) == {"train": 2, "validation": 2, "test": 2}
    assert open_prepared(target, "test")[0].clear.shape == (16, 24, 3)
    first = open_prepared(target, "train").fingerprint
    assert (
        main(["rendered_haze/landscapes", "--to", target, *options[:-1], "6", "--overwrite"]) == 0
    )
    assert open_prepared(target, "train").fingerprint != first


def test_tiles_and_quality_reach_the_records(tmp_path, source):
    target = str(tmp_path / "p")
    given = ["--from", source, "--tiles", "8", "--quality", "80", "--workers", "1"]
    assert main(["paired_folder", "--to", target, *given]) == 0
    features = json.loads((tmp_path / "p/features.json").read_text())
    assert "tile" in json.dumps(features)
    example = open_prepared(target, "train")[0]
    exact = cv2.imread(f"{source}/hazy/{example.id}.png")[..., ::-1]
    assert example.hazy.shape == exact.shape == (8, 9, 3)
    assert 0 < np.abs(example.hazy.astype(int) - exact).mean() < 30
    (record,) = (tmp_path / "p").glob("*-train.array_record*")
    assert b"\xff\xd8\xff" in record.read_bytes()  # JPEG


def test_archives_are_taken_from_the_folder_for_downloads(tmp_path, source):
    for folder in ("hazy", "clear"):
        for number, name in enumerate("abcd"):
            file = tmp_path / "source" / folder / f"{name}.png"
            file.rename(file.with_name(f"{number + 40}_outdoor_{folder}.png"))
    (tmp_path / "archives").mkdir()
    shutil.make_archive(str(tmp_path / "archives/O-HAZE"), "zip", source)
    target = str(tmp_path / "p")
    assert main(["o_haze", "--to", target, "--downloads", str(tmp_path / "archives")]) == 0
    assert split_sizes(target) == {"train": 1, "test": 3}
    assert not (tmp_path / "downloads").exists()


def test_options_that_would_change_nothing_are_refused(tmp_path, source):
    target = ["--to", str(tmp_path / "p")]
    for given, option in (
        (["rendered_haze", "--size", "16", "24"], "size"),
        (["rendered_haze", "--from", source, "--scenes", "3"], "scenes"),
        (["unpaired_folder/hazy", "--from", source, "--rule", "stem"], "rule"),
        (["paired_folder", "--from", source, "--hazes", "3"], "hazes"),
    ):
        with pytest.raises(InputError, match=f"has no option {option}; it has: "):
            main([*given, *target])
    assert not (tmp_path / "p").exists()


def test_what_is_left_out_and_odd_is_a_warning(tmp_path, source, capsys):
    (tmp_path / "source/hazy/a.png").write_bytes(b"")
    target = str(tmp_path / "p")
    assert main(["paired_folder", "--to", target, "--from", source, "--bad", "skip"]) == 0
    out, err = capsys.readouterr()
    assert err == f"{target}: warning: 1 left out, see {target}/report.json\n"
    assert out.startswith(f"{target}: ")
    assert main(["rtts", "--to", f"{target}2", "--from", f"{source}/clear"]) == 0
    out, err = capsys.readouterr()
    assert err == f"{target}2: warning: has 4 test; looks like RTTS, which has 4,322 test\n"


def test_the_rule_of_pairing_can_be_given(tmp_path, source):
    for name in "abcd":
        (tmp_path / f"source/hazy/{name}.png").rename(tmp_path / f"source/hazy/x{name}.png")
    given = ["paired_folder", "--to", str(tmp_path / "p"), "--from", source]
    with pytest.raises(InputError, match=r"xa\.png: has no clear partner.*; 3 more in"):
        main(given)
    assert main([*given, "--rule", "sorted"]) == 0


def test_bad_options_are_bad_usage(tmp_path, source, capsys):
    for option in (["--bad", "maybe"], ["--rule", "best"], ["--tiles", "x"]):
        with pytest.raises(SystemExit) as leaving:
            main(["paired_folder", "--to", str(tmp_path / "p"), "--from", source, *option])
        assert leaving.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_bad_input_is_one_error(tmp_path, source):
    with pytest.raises(InputError, match="mine: no such dataset"):
        main(["mine", "--to", str(tmp_path / "p")])
    (tmp_path / "source/hazy/a.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"hazy/a\.png"):
        main(["paired_folder", "--to", str(tmp_path / "p"), "--from", source])
    assert not (tmp_path / "p").exists()
