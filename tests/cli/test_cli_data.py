import cv2
import numpy as np
import pytest

from dehaze_jax import data
from dehaze_jax.cli.data import main
from dehaze_jax.data import list_datasets, open_prepared, prepare
from dehaze_jax.errors import InputError


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    to = tmp_path_factory.mktemp("data") / "p"
    return prepare("rendered_haze/landscapes", to, size=(24, 40), scenes=3, hazes=2)


def test_every_dataset_is_listed_in_one_line(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(list_datasets())
    (o_haze,) = (line for line in lines if line.startswith("o_haze "))
    assert o_haze.split()[:3] == ["o_haze", "45", "download"]


def test_a_contact_sheet_is_written(tmp_path, prepared, capsys, monkeypatch):
    asked, survey = [], data.survey
    monkeypatch.setattr(data, "survey", lambda *a, **b: asked.append((a, b)) or survey(*a, **b))
    output = str(tmp_path / "sheet.png")
    given = [str(prepared), output, "--pairs", "2", "--sample", "3", "--seed", "1"]
    assert main(["show", *given, "--split", "train"]) == 0
    (((path,), options),) = asked
    del options["progress"]
    assert path == str(prepared)
    assert options == {"splits": ("train",), "shown": 2, "sample": 3, "seed": 1}
    assert capsys.readouterr() == (f"{output}\n", "")
    pixels = cv2.imread(output)
    assert pixels.shape[1] == 1620
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500


def test_what_cannot_be_shown_is_told(tmp_path, prepared):
    with pytest.raises(InputError, match=r"sheet\.jpg: must end in \.png"):
        main(["show", str(prepared), str(tmp_path / "sheet.jpg")])
    with pytest.raises(InputError, match=r"its folder .* does not exist"):
        main(["show", str(prepared), str(tmp_path / "nowhere/sheet.png")])
    with pytest.raises(InputError, match="has no split 'val'"):
        main(["show", str(prepared), str(tmp_path / "sheet.png"), "--split", "val"])


def test_a_whole_dataset_is_verified(prepared, capsys):
    assert main(["verify", str(prepared)]) == 0
    out, err = capsys.readouterr()
    fingerprint = open_prepared(prepared, "test").fingerprint
    assert f"test: 2 examples, fingerprint {fingerprint}\n" in out
    whole = "every file is as it was written and every example can be decoded"
    assert out.endswith(f"{prepared}: {whole}\n")
    assert not err


def test_damage_is_a_line_each_and_an_exit_code(tmp_path, capsys):
    path = prepare("rendered_haze/landscapes", tmp_path / "p", size=(24, 40), scenes=3, hazes=2)
    (file,) = path.glob("*-test.array_record*")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    (other,) = path.glob("*-validation.array_record*")
    other.unlink()
    assert main(["verify", str(path)]) == 1
    out, err = capsys.readouterr()
    assert "validation: 2 examples, cannot be opened\n" in out
    lines = err.splitlines()
    assert out.endswith(f"{path}: {len(lines)} faults\n")
    assert lines[0] == f"dehaze-jax: error: {file}: is not the file listed in checksums.json"
    assert lines[1] == f"dehaze-jax: error: {other}: does not exist"
    assert all(line.startswith("dehaze-jax: error: ") for line in lines)


def test_without_checksums_it_is_said(tmp_path, capsys):
    path = prepare("rendered_haze/landscapes", tmp_path / "p", size=(24, 40), scenes=1, hazes=1)
    (path / "checksums.json").unlink()
    assert main(["verify", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.endswith(f"{path}: every example can be decoded\n")
    assert err == f"{path}: warning: has no checksums to compare its files with\n"


def test_bad_usage_is_one_line(capsys):
    for args in ([], ["what"], ["show"], ["verify"]):
        with pytest.raises(SystemExit) as leaving:
            main(args)
        assert leaving.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
