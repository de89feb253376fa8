import cv2
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax.cli.parsing import UsageError
from dehaze_jax.cli.render import main
from dehaze_jax.errors import InputError
from dehaze_jax.image import Picture, read, write
from dehaze_jax.methods import HazeOptions
from dehaze_jax.methods.protocol import Method
from dehaze_jax.restoring import Restorer, loading


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "clear").mkdir()
    for name in "ab":
        pixels = np.random.default_rng(ord(name)).integers(0, 255, (12, 15, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"clear/{name}.png"), pixels)
    return tmp_path / "clear"


def test_one_picture_with_its_depth(tmp_path, folder, capsys):
    depth = np.full((12, 15), 51, np.uint8)
    cv2.imwrite(str(tmp_path / "depth.png"), depth)
    hazy = str(tmp_path / "hazy.png")
    options = ["--beta", "2", "--airlight", "0.8", "--depth", str(tmp_path / "depth.png")]
    assert main([str(folder / "a.png"), hazy, *options]) == 0
    t = np.exp(-2 * 0.2)
    expected = read(folder / "a.png").pixels * t + 0.8 * 255 * (1 - t)
    np.testing.assert_allclose(read(hazy).pixels, expected, atol=0.51)
    assert capsys.readouterr().out == f"{hazy}\n"


def test_airlight_may_have_three_channels(tmp_path, folder):
    hazy = tmp_path / "hazy.png"
    options = ["--beta", "1e6", "--airlight", "0.2", "0.4", "0.6"]
    assert main([str(folder / "a.png"), str(hazy), *options]) == 0
    np.testing.assert_array_equal(read(hazy).pixels[0, 0], [51, 102, 153])
    with pytest.raises(InputError, match="airlight: takes one number"):
        main([str(folder / "a.png"), str(hazy), "--beta", "1", "--airlight", "0.2", "0.4"])


def test_unevenness_and_seed_reach_the_result(tmp_path, folder):
    results = []
    for extra in ([], ["--non-homogeneous", "0.6"], ["--seed", "1"]):
        hazy = tmp_path / "hazy.png"
        assert main([str(folder / "a.png"), str(hazy), "--beta", "1", *extra]) == 0
        results.append(read(hazy).pixels.tobytes())
    assert len(set(results)) == 3


def test_a_folder_goes_on_past_a_bad_file(tmp_path, folder, capsys):
    (folder / "broken.png").write_bytes(b"no picture")
    assert main([str(folder), str(tmp_path / "hazy"), "--beta", "1"]) == 1
    out, err = capsys.readouterr()
    assert out.endswith("2 of 3 pictures rendered, 1 failed\n")
    assert err.startswith(f"{folder / 'broken.png'}: ")
    assert err.count("\n") == 1
    assert sorted(path.name for path in (tmp_path / "hazy").iterdir()) == ["a.png", "b.png"]


def test_a_pattern_and_a_folder_of_depth(tmp_path, folder):
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth/a.npy", np.zeros((12, 15), np.float32))
    options = ["--beta", "1", "--depth", str(tmp_path / "depth")]
    assert main([str(folder / "*.png"), str(tmp_path / "hazy"), *options]) == 1
    assert [path.name for path in (tmp_path / "hazy").iterdir()] == ["a.png"]
    np.testing.assert_array_equal(
        read(tmp_path / "hazy/a.png").pixels, read(folder / "a.png").pixels
    )


def test_inputs_are_never_overwritten_or_missing(folder, tmp_path):
    with pytest.raises(InputError, match="is an input"):
        main([str(folder / "a.png"), str(folder / "a.png"), "--beta", "1"])
    with pytest.raises(InputError, match="does not exist"):
        main([str(tmp_path / "none.png"), str(tmp_path / "x.png"), "--beta", "1"])


@pytest.fixture
def learnt(monkeypatch):
    """In place of a trained model: a mean of picture and airlight. Returns what it was asked."""
    asked = []

    def load_hazing(name, options):
        asked.append((name, options))
        airlight = jnp.asarray(options.airlight or (0.0, 0.0, 0.0), jnp.float32)
        method = Method(
            name="toy",
            init=lambda *_: None,
            start=lambda *_: None,
            train_step=lambda *_: None,
            summarise=lambda variables, clear, _: airlight,
            render=lambda variables, context, rows, where: (
                (rows + jnp.broadcast_to(context, rows.shape)) / 2
            ),
        )
        return Restorer(method, {})

    monkeypatch.setattr(loading, "load_hazing", load_hazing)
    return asked


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], HazeOptions()),
        (["--beta", "1.5"], HazeOptions(density=1.5)),
        (["--airlight", "0.4"], HazeOptions(airlight=(0.4, 0.4, 0.4))),
        (
            ["--airlight", "0.2", "0.4", "0.6", "--beta", "0"],
            HazeOptions(density=0.0, airlight=(0.2, 0.4, 0.6)),
        ),
    ],
)
def test_a_model_renders(tmp_path, folder, learnt, capsys, arguments, options):
    hazy = str(tmp_path / "hazy.png")
    assert main([str(folder / "a.png"), hazy, "--weights", "mine", *arguments]) == 0
    assert learnt == [("mine", options)]
    colour = np.asarray(options.airlight or (0, 0, 0)) * 255
    expected = (read(folder / "a.png").pixels + colour) / 2
    np.testing.assert_allclose(read(hazy).pixels, expected, atol=0.51)
    assert capsys.readouterr().out == f"{hazy}\n"


def test_a_model_keeps_bits_and_alpha_and_goes_on(tmp_path, folder, learnt, capsys):
    deep = read(folder / "a.png").pixels.astype(np.uint16) * 257
    write(folder / "a.png", Picture(deep, alpha=deep[..., 1]))
    (folder / "broken.png").write_bytes(b"no picture")
    assert main([str(folder), str(tmp_path / "hazy"), "--weights", "mine"]) == 1
    out, err = capsys.readouterr()
    assert out.endswith("2 of 3 pictures rendered, 1 failed\n")
    assert err.startswith(f"{folder / 'broken.png'}: ")
    hazy = read(tmp_path / "hazy/a.png")
    np.testing.assert_allclose(hazy.pixels, deep / 2, atol=0.51)
    np.testing.assert_array_equal(hazy.alpha, deep[..., 1])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "beta: is required without --weights"),
        (["--weights", "w", "--depth", "d.png"], "depth: has no place with --weights"),
        (
            ["--weights", "w", "--non-homogeneous", "0.5"],
            "non-homogeneous: has no place with --weights",
        ),
        (["--weights", "w", "--seed", "1"], "seed: has no place with --weights"),
        (["--weights", "w", "--airlight", "1", "0"], "airlight: takes one number, or red,"),
        (["--weights", "w", "--airlight"], "airlight: takes one number, or red, green"),
        (["--weights", "w", "--airlight", "2"], "airlight: (2.0, 2.0, 2.0) must lie in [0, 1]"),
        (["--weights", "w", "--beta", "-1"], "beta: -1.0 must not be negative"),
        (["--weights", "dehazeflow"], "dehazeflow: dehazeflow does not learn to render haze"),
        (["--weights", "none"], "none: no such folder, and no released weights"),
    ],
)
def test_options_that_are_refused(tmp_path, folder, arguments, line):
    with pytest.raises(InputError) as caught:
        main([str(folder / "a.png"), str(tmp_path / "hazy.png"), *arguments])
    assert str(caught.value).startswith(line)
    usage = ("is required", "has no place", "takes one")
    assert isinstance(caught.value, UsageError) == any(each in line for each in usage)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clear"]
