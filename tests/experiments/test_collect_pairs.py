import collections
import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from weights import collect_pairs
from weights.collect_pairs import PAIRS, main, read_pictures

from dehaze_jax import image, storage

COLUMNS = "file,dataset,use,role,scene_group,repository,commit,path,encoding,sha256"
LEVELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(tmp_path):
    """A repository of one PNG, whose file was replaced after the commit that is named."""
    folder = tmp_path / "clones" / "owner" / "name"
    folder.mkdir(parents=True)
    Image.fromarray(LEVELS).save(folder / "a b.png")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "pictures")
    commit = git(folder, "rev-parse", "HEAD")
    Image.fromarray(255 - LEVELS).save(folder / "a b.png")
    git(folder, "commit", "-q", "-a", "-m", "others")
    return commit


@pytest.fixture
def collect(tmp_path, clone, monkeypatch):
    def run(*rows, to="DATA"):
        lines = [COLUMNS]
        for file, path, encoding, checksum in rows:
            lines.append(f"{file},set,train,hazy,1,owner/name,{clone},{path},{encoding},{checksum}")
        (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
        monkeypatch.setattr(collect_pairs, "PAIRS", tmp_path / "list.csv")
        options = {"clones": "clones", "to": to}
        words = [word for k, v in options.items() for word in (f"--{k}", str(tmp_path / v))]
        monkeypatch.setattr(sys, "argv", ["collect_pairs", *words])
        main()

    return run


def encoded(kind, **options):
    file = io.BytesIO()
    Image.fromarray(LEVELS).save(file, kind, **options)
    return file.getvalue()


def test_pictures_are_of_their_commit_and_stored_as_they_were(collect, tmp_path, capsys):
    plain, small = encoded("PNG"), encoded("PNG", optimize=True)
    jpeg = encoded("JPEG", quality=93, subsampling=0)
    collect(
        *(
            (f"set/train/hazy/{name}", "a b.png", encoding, hashlib.sha256(data).hexdigest())
            for name, encoding, data in (
                ("1.png", "as in source", plain),
                ("2.png", "PNG", small),
                ("3.jpg", "JPEG 93 4:4:4", jpeg),
            )
        )
    )
    folder = tmp_path / "DATA" / "set" / "train" / "hazy"
    assert (folder / "1.png").read_bytes() == plain
    assert np.array_equal(image.read(folder / "2.png").pixels, LEVELS)
    assert (folder / "3.jpg").read_bytes() == jpeg
    assert (tmp_path / "DATA" / "MANIFEST.csv").read_text().startswith(COLUMNS)
    assert capsys.readouterr().out.endswith("DATA: 3 pictures, 3 of them new\n")


def test_it_goes_on_and_tells_what_differs(collect, tmp_path, capsys):
    first = ("set/train/hazy/1.png", "a b.png", "as in source", "0")
    collect(first)
    told = capsys.readouterr().out.splitlines()
    assert told[1:] == ["1 of them are other bytes than the weights were trained on"]
    file = tmp_path / "DATA" / first[0]
    file.write_bytes(b"mine")
    collect(first, ("set/train/hazy/2.png", "a b.png", "PNG", "0"))
    assert file.read_bytes() == b"mine"
    told = capsys.readouterr().out
    assert "2 pictures, 1 of them new" in told
    assert told.endswith("2 of them are other bytes than the weights were trained on\n")


def test_what_is_missing_is_named(collect, clone, tmp_path, capsys):
    with pytest.raises(SystemExit) as leaving:
        collect(("set/train/hazy/1.png", "b.png", "as in source", "0"))
    place = tmp_path / "clones" / "owner" / "name"
    assert str(leaving.value.code).startswith(f"{place}: no b.png: fatal: path 'b.png' does not")
    assert clone in str(leaving.value.code)
    assert not (tmp_path / "DATA" / "MANIFEST.csv").exists()
    (tmp_path / "clones" / "owner").rename(tmp_path / "clones" / "other")
    with pytest.raises(SystemExit) as leaving:
        collect(("set/train/hazy/1.png", "b.png", "as in source", "0"))
    assert leaving.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("needed: git clone --bare https://github.com/owner/name ")


def test_a_file_in_place_of_the_folder_is_refused(collect, tmp_path, capsys):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SystemExit) as leaving:
        collect(("set/train/hazy/1.png", "a b.png", "PNG", "0"), to="notes.txt")
    assert leaving.value.code == 2
    assert capsys.readouterr().err.endswith("notes.txt: is not a folder\n")


class TestTheList:
    """What is committed."""

    def test_no_scene_is_in_two_splits(self):
        splits = collections.defaultdict(set)
        for picture in read_pictures(PAIRS):
            splits[picture["scene_group"]].add(picture["use"])
        assert {len(uses) for uses in splits.values()} == {1}

    def test_every_hazy_picture_has_its_clear_one(self):
        pictures = read_pictures(PAIRS)
        sides = collections.Counter(picture["role"] for picture in pictures)
        assert sides["hazy"] == sides["clear"] == len(pictures) / 2
        assert len({picture["file"] for picture in pictures}) == len(pictures)

    @pytest.mark.parametrize("name", ["dehazeflow", "dehazeflow-tiny", "bilateral", "nedr"])
    def test_it_counts_what_the_cards_count(self, name):
        counts = collections.defaultdict(collections.Counter)
        for picture in read_pictures(PAIRS):
            split = {"val": "validation", "eval": "test"}.get(picture["use"], picture["use"])
            counts[picture["dataset"]][split] += picture["role"] == "clear"
        scored = storage.find_weights(name).card["data"]
        told = {name: dict(of) for name, of in counts.items() if name in scored}
        assert told
        for name, of in told.items():
            assert of == {key: n for key, n in scored[name].items() if key != "fingerprint"}
