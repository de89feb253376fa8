import collections
import sys

import pytest
from weights.split_unpaired import deal, main

# Scenes 1 to 4 were photographed for both of the first sets.
SCENES = {
    "o-haze_800": ["1", "2", "3", "4", "5", "5"],
    "nh-haze_800": ["1", "1", "2", "3", "4", "6", "7"],
    "sots-indoor": ["8", "8", "9", "9", "10", "11"],
}


@pytest.fixture
def source(tmp_path):
    """Sets of empty files and their manifest; scene 12 is not for training."""
    lines = ["file,dataset,use,role,scene_group,terms"]
    for name, scenes in SCENES.items():
        for number, scene in enumerate([*scenes, "12"]):
            use = "val" if scene == "12" else "train"
            for role in ("hazy", "clear"):
                file = tmp_path / "DATA" / name / use / role / f"{number}.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"{name} {role} {scene}")
                relative = file.relative_to(tmp_path / "DATA")
                lines.append(f'{relative},{name},{use},{role},{scene},"free, or so"')
    (tmp_path / "DATA" / "MANIFEST.csv").write_text("\n".join(lines))
    return tmp_path / "DATA"


@pytest.fixture
def split(source, monkeypatch):
    def run(to, *options):
        sets = [] if "--sets" in options else ["--sets", *SCENES]
        command = ["split_unpaired", "--from", str(source), "--to", str(to), *options, *sets]
        monkeypatch.setattr(sys, "argv", command)
        main()
        return sorted(path for path in to.rglob("*") if not path.is_dir())

    return run


def test_no_scene_is_on_both_sides(split, source, tmp_path, capsys):
    links = split(tmp_path / "unpaired")
    found = collections.defaultdict(list)
    for link in links:
        assert link.is_symlink()
        name, role, scene = link.read_text().split()
        assert link.relative_to(tmp_path).parts[:3] == ("unpaired", name, role)
        assert link.resolve() == source / name / "train" / role / link.name
        found[role].append((name, scene))
    hazy, clear = ({scene for _, scene in found[role]} for role in ("hazy", "clear"))
    assert not hazy & clear
    assert hazy | clear == {str(scene) for scene in range(1, 12)}
    assert abs(len(hazy) - len(clear)) == 1
    both = {"1", "2", "3", "4"}
    assert len(hazy & both) == len(clear & both) == 2
    # A scene brings all its pictures of its side.
    expected = [(name, scene) for name, scenes in SCENES.items() for scene in scenes]
    assert sorted(found["hazy"] + found["clear"]) == sorted(expected)

    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told] == [*SCENES, "all"]
    counts = (len(found["hazy"]), len(hazy), len(found["clear"]), len(clear))
    assert told[-1] == "all: {} hazy pictures of {} scenes, {} clear pictures of {} scenes".format(
        *counts
    )


def test_the_deal_is_of_the_seed(split, tmp_path):
    def names(to):
        return [link.relative_to(to) for link in split(to, "--seed", "3")]

    assert names(tmp_path / "a") == names(tmp_path / "b")
    scenes = {str(number): ("set",) for number in range(20)}
    assert deal(scenes, seed=0) == deal(dict(reversed(scenes.items())), seed=0)
    assert deal(scenes, seed=0) != deal(scenes, seed=1)
    assert collections.Counter(deal(scenes, seed=0).values()) == {"hazy": 10, "clear": 10}


def test_what_cannot_be_done_is_said_in_one_line(split, source, tmp_path, capsys):
    def refused(to, *options):
        with pytest.raises(SystemExit) as leaving:
            split(to, *options)
        assert leaving.value.code == 2
        assert not to.is_dir() or [path.name for path in to.iterdir()] == ["mine.txt"]
        return capsys.readouterr().err.splitlines()[-1]

    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").touch()
    assert refused(full).endswith("full: exists and is not an empty folder")
    new = tmp_path / "new"
    message = "MANIFEST.csv: names no training pictures of i-haze_800"
    assert refused(new, "--sets", "i-haze_800").endswith(message)
    for name in ("hazy", "clear"):
        for file in (source / "sots-indoor" / "train" / name).iterdir():
            file.unlink()
    assert refused(new).endswith("jpg: does not exist")
    (source / "MANIFEST.csv").unlink()
    assert refused(new).endswith("MANIFEST.csv: does not exist")
