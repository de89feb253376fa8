import sys

import numpy as np
import pytest
from PIL import Image
from weights.prepare_pairs import main

from dehaze_jax import data


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    def run(source="DATA", *options):
        command = ["prepare_pairs", "--from", str(tmp_path / source), "--to", str(tmp_path / "p")]
        monkeypatch.setattr(sys, "argv", [*command, *options])
        main()

    return run


@pytest.fixture
def source(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    for name in ("first", "second"):
        for split in ("train", "val", "eval"):
            for side in ("hazy", "clear"):
                file = tmp_path / "DATA" / name / split / side / f"{split}.png"
                file.parent.mkdir(parents=True)
                Image.fromarray(levels).save(file)
    return tmp_path / "DATA"


def test_every_set_is_prepared_once(prepare, source, tmp_path, capsys):
    prepare()
    for name in ("first", "second"):
        sizes = data.split_sizes(tmp_path / "p" / name)
        assert sizes == {"train": 1, "validation": 1, "test": 1}
    assert capsys.readouterr().out.endswith(f"second: prepared in {tmp_path / 'p' / 'second'}\n")
    prepare()
    assert capsys.readouterr().out == "first: is there\nsecond: is there\n"


def test_what_cannot_be_prepared_is_one_line(prepare, source, tmp_path, capsys):
    with pytest.raises(SystemExit) as leaving:
        prepare("none")
    assert leaving.value.code == 2
    assert capsys.readouterr().err.endswith("none: holds no data set with train/hazy/\n")
    damaged = source / "second" / "train" / "hazy" / "train.png"
    damaged.write_bytes(b"no picture")
    with pytest.raises(SystemExit) as leaving:
        prepare()
    assert str(leaving.value.code).startswith(f"{damaged}: cannot be read")
    assert data.split_sizes(tmp_path / "p" / "first")
    prepare("DATA", "--bad", "skip")
    assert data.split_sizes(tmp_path / "p" / "second") == {"validation": 1, "test": 1}
