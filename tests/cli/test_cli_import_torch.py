"""`dehaze-jax import-torch`: the folder that is written, what is reported, and what is refused."""

import dataclasses
import functools
import hashlib
import importlib.util
import pathlib
import types

import numpy as np
import pytest
import safetensors.numpy

import dehaze_jax
from dehaze_jax.cli.main import main
from dehaze_jax.errors import InputError
from dehaze_jax.methods import DehazeFlowConfig, table
from dehaze_jax.methods.bilateral.config import RELEASED
from dehaze_jax.methods.bilateral.published import import_published
from dehaze_jax.methods.importing import Imported, LeftOver, Used
from dehaze_jax.storage import load_weights

METHODS = pathlib.Path(__file__).parents[1] / "methods"


def released_weights():
    spec = importlib.util.spec_from_file_location("given", METHODS / "released_weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


given = released_weights()
TENSORS = {"conv.bias": np.arange(3, dtype=np.float32), "steps": np.array(3)}
MORE = {"head.bias": np.ones(2, np.float32)}
CONFIG = DehazeFlowConfig(width=8)


def import_toy(tensors, *, source):
    if "conv.bias" not in tensors:
        raise InputError(source, "conv.bias is missing")
    bias, kernel = tensors["conv.bias"], (3, 3, 1, 2)
    used = [
        Used("conv.bias", "params/bias", bias.shape),
        Used("a.kernel", "params/a", kernel),
        Used("a.kernel", "params/b", kernel),
    ]
    if head := "head.bias" in tensors:
        used.append(Used("head.bias", "params/head", (2,)))
    left_over = (LeftOver("steps", (), "no weight"),)
    initial = () if head else ("the head",)
    return Imported({"params": {"bias": bias}}, CONFIG, tuple(used), left_over, initial)


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DEHAZE_JAX_CACHE", "")
    monkeypatch.chdir(tmp_path)
    toy = table.Entry(DehazeFlowConfig, table.METHODS["dehazeflow"].build, import_toy)
    methods = types.MappingProxyType({"toy": toy, "closed": table.METHODS["dehazeflow"]})
    monkeypatch.setattr(table, "METHODS", methods)
    safetensors.numpy.save_file(TENSORS, "model.safetensors")
    safetensors.numpy.save_file(MORE, "head.safetensors")

    def run(*args):
        try:
            code = main(["import-torch", *args])
        except SystemExit as leaving:  # bad usage
            code = leaving.code
        written = capsys.readouterr()
        return code, written.out.splitlines(), written.err.splitlines()

    return run


def test_the_folder_and_the_report(tmp_path, run):
    code, out, err = run("model.safetensors", "new/mine", "--method", "toy")
    assert (code, err) == (0, [])
    assert out == [
        "conv.bias -> params/bias 3",
        "a.kernel -> params/a 3 x 3 x 1 x 2",
        "a.kernel -> params/b 3 x 3 x 1 x 2",
        "steps scalar left over: no weight",
        "the head is not in the checkpoint and starts at initial values",
        "model.safetensors -> new/mine: 2 tensors used, 1 left over",
    ]
    weights = load_weights("new/mine")
    np.testing.assert_array_equal(weights.variables["params"]["bias"], TENSORS["conv.bias"])
    assert (weights.config["name"], weights.config["width"]) == ("dehazeflow", 8)
    digest = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    assert weights.card["source"] == [{"file": "model.safetensors", "sha256": digest}]
    assert weights.card["initial"] == ["the head"]
    assert weights.card["terms"].startswith("Those of the checkpoint's authors")


def test_a_checkpoint_in_several_files(run):
    code, out, err = run("model.safetensors", "head.safetensors", "mine", "--method", "toy")
    assert (code, err) == (0, [])
    assert "head.bias -> params/head 2" in out
    assert out[-1] == "model.safetensors, head.safetensors -> mine: 3 tensors used, 1 left over"
    card = load_weights("mine").card
    assert [file["file"] for file in card["source"]] == ["model.safetensors", "head.safetensors"]
    assert card["initial"] == []


def test_importing_again_replaces_the_folder(run):
    assert run("model.safetensors", "mine", "--method", "toy")[0] == 0
    changed = {**TENSORS, "conv.bias": np.ones(3, np.float32)}
    safetensors.numpy.save_file(changed, "model.safetensors")
    assert run("model.safetensors", "mine", "--method", "toy")[0] == 0
    bias = load_weights("mine").variables["params"]["bias"]
    np.testing.assert_array_equal(bias, np.ones(3))


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["absent.pth", "m", "--method", "toy"], 1, "absent.pth: cannot be read: No such file"),
        (["short.safetensors", "m", "--method", "toy"], 1, "short.safetensors: is damaged"),
        (
            ["model.safetensors", "m", "--method", "closed"],
            1,
            "method: no published weights of 'closed' can be imported; those of toy can",
        ),
        (["model.safetensors", "m", "--method", "x"], 1, "method: no published weights of 'x'"),
        (
            ["model.safetensors", "photos", "--method", "toy"],
            1,
            "photos: exists and is not a weights folder",
        ),
        (["model.safetensors", "m"], 2, "--method"),
        (
            ["model.safetensors", "--method", "toy"],
            2,
            "import-torch: needs a checkpoint and an output",
        ),
        (["--method", "toy"], 2, "import-torch: needs a checkpoint and an output"),
        (
            ["model.safetensors", "model.safetensors", "m", "--method", "toy"],
            1,
            "model.safetensors: holds conv.bias, as a file before it does",
        ),
        (["head.safetensors", "m", "--method", "toy"], 1, "head.safetensors: conv.bias is missing"),
    ],
)
def test_refusals(tmp_path, run, arguments, code, line):
    (tmp_path / "photos").mkdir()
    (tmp_path / "short.safetensors").write_bytes(b"short")
    left, out, err = run(*arguments)
    assert (left, out, len(err)) == (code, [], 1)
    assert line in err[0]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"photos", "short.safetensors", "model.safetensors", "head.safetensors"}


def test_what_is_imported_restores_as_published(tmp_path, capsys, monkeypatch):
    """From the file of a tiny published network to the picture that PyTorch gives."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEHAZE_JAX_CACHE", "")
    dimensions, _ = given.CASES["odd"]
    config = dataclasses.replace(RELEASED, **dimensions)
    entry = dataclasses.replace(
        table.METHODS["bilateral"],
        import_published=functools.partial(import_published, config=config),
    )
    monkeypatch.setattr(table, "METHODS", {"bilateral": entry})
    safetensors.numpy.save_file(given.state_dict(given.shapes(4)), "model.safetensors")
    assert main(["import-torch", "model.safetensors", "mine", "--method", "bilateral"]) == 0
    assert capsys.readouterr().out.endswith(": 287 tensors used, 43 left over\n")

    hazy, _ = given.pictures("odd")
    restored = dehaze_jax.load("mine")(hazy[0])
    with np.load(METHODS / "golden" / "bilateral_released.npz") as golden:
        theirs = golden["odd/restored"][0].clip(0, 1)
    np.testing.assert_allclose(restored, theirs, atol=3e-5)


def test_a_checkpoint_of_another_model_names_file_and_tensor(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEHAZE_JAX_CACHE", "")
    safetensors.numpy.save_file(TENSORS, "other.safetensors")
    assert main(["import-torch", "other.safetensors", "mine", "--method", "bilateral"]) == 1
    assert capsys.readouterr().err == (
        "dehaze-jax: error: other.safetensors: belongs to another model: "
        "u_net.inc.double_conv.0.weight is missing\n"
    )
