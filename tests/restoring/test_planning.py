import pathlib

import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.restoring import Job, plan


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """a.png, b.JPG, c.gif, notes.txt, .hidden.png and below/a.png; the working directory."""
    root = tmp_path / "work"
    for name in ("a.png", "b.JPG", "c.gif", "notes.txt", ".hidden.png", "below/a.png"):
        path = root / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    monkeypatch.chdir(root)
    return root


def names(jobs):
    return [(job.source.as_posix(), job.target.as_posix()) for job in jobs]


@pytest.mark.parametrize(
    ("inputs", "output", "expected"),
    [
        (["photos/a.png"], "out.jpg", [("photos/a.png", "out.jpg")]),
        (["photos/a.png"], "results", [("photos/a.png", "results/a.png")]),
        (["photos/a.png"], "photos/below", [("photos/a.png", "photos/below/a.png")]),
        (["photos/c.gif"], "results", [("photos/c.gif", "results/c.png")]),
        (
            ["photos"],
            "results",
            [
                ("photos/a.png", "results/a.png"),
                ("photos/b.JPG", "results/b.JPG"),
                ("photos/c.gif", "results/c.png"),
            ],
        ),
        (["photos/*.png"], "results", [("photos/a.png", "results/a.png")]),
        (
            ["photos/a.png", "photos/b.JPG"],
            "results",
            [("photos/a.png", "results/a.png"), ("photos/b.JPG", "results/b.JPG")],
        ),
        # What is no picture is only found out by reading, and reported then.
        (["photos/notes.txt"], "out.png", [("photos/notes.txt", "out.png")]),
    ],
)
def test_names(folder, inputs, output, expected):
    assert names(plan(inputs, output)) == expected


def test_recursive_keeps_folders_and_leaves_out_the_output(folder):
    (folder / "photos/results").mkdir()
    (folder / "photos/results/old.png").write_bytes(b"")
    jobs = plan(["photos"], "photos/results", recursive=True)
    assert ("photos/below/a.png", "photos/results/below/a.png") in names(jobs)
    assert len(jobs) == 4


def test_comparisons_lie_beside_results(folder):
    (job,) = plan(["photos/a.png"], "results", compare=True)
    assert job == Job(
        pathlib.Path("photos/a.png"),
        pathlib.Path("results/a.png"),
        pathlib.Path("results/a_compare.jpg"),
    )


def test_maps_lie_beside_results(folder):
    (job,) = plan(["photos/c.gif"], "results", compare=True, maps=True)
    beside = ["_compare.jpg", "_transmission.png", "_depth.png", "_maps.npz"]
    assert [path.as_posix() for path in job.outputs] == [
        "results/c.png",
        *(f"results/c{ending}" for ending in beside),
    ]
    assert job.maps is not None
    assert job.maps.arrays.name == "c_maps.npz"
    (plain,) = plan(["photos/c.gif"], "results")
    assert (plain.maps, plain.outputs) == (None, (pathlib.Path("results/c.png"),))


@pytest.mark.parametrize(
    ("inputs", "output", "subject", "reason"),
    [
        (["missing.png"], "out.png", "missing.png", "does not exist"),
        (["photos/*.tif"], "out", "photos/*.tif", "matches no file"),
        (["photos/a.png"], "photos/a.png", "photos/a.png", "is an input"),
        (["photos"], "photos", "photos/a.png", "is an input"),
        (["photos/a.png"], "nowhere/out.png", "nowhere/out.png", "nowhere does not exist"),
        (["photos"], "nowhere/results", "nowhere/results", "nowhere does not exist"),
        (["photos"], "out.png", "out.png", "must be a folder"),
        (["photos"], "photos/notes.txt", "photos/notes.txt", "must be a folder"),
        (["photos/a.png"], "out.gif", "out.gif", "cannot write this format"),
        (["photos/a.png", "photos/below/a.png"], "out", "out/a.png", "output of both"),
    ],
)
def test_refusals(folder, inputs, output, subject, reason):
    with pytest.raises(InputError, match=reason) as caught:
        plan(inputs, output)
    assert caught.value.subject == subject


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no picture"):
        plan([tmp_path], tmp_path / "out")


def test_a_link_to_an_input_is_no_output(folder):
    (folder / "link.png").symlink_to("photos/a.png")
    with pytest.raises(InputError, match="is an input"):
        plan(["photos/a.png"], "link.png")


def test_a_comparison_is_no_result_of_another(folder):
    (folder / "photos/a_compare.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="output of both"):
        plan(["photos"], "results", compare=True)


@pytest.mark.parametrize("plane", ["transmission", "depth"])
def test_a_map_is_no_result_of_another_and_no_input(folder, plane):
    (folder / f"photos/a_{plane}.png").write_bytes(b"")
    assert len(plan(["photos"], "results")) == 4
    with pytest.raises(InputError, match=r"output of both photos.a.png and photos.a_") as caught:
        plan(["photos"], "results", maps=True)
    assert caught.value.subject == f"results/a_{plane}.png"
    with pytest.raises(InputError, match="is an input"):
        plan(["photos/a.png", f"photos/a_{plane}.png"], "photos", maps=True)
