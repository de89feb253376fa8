"""Checkpoints of other programs. What needs PyTorch runs where it is installed."""

import argparse
import os
import sys
import types

import numpy as np
import pytest
import safetensors.numpy

from dehaze_jax.errors import InputError
from dehaze_jax.storage import read_foreign

ARRAYS = {
    "conv.weight": np.arange(6, dtype=np.float32).reshape(1, 2, 1, 3),
    "conv.bias": np.array([0.5], np.float16),
    "norm.num_batches_tracked": np.array(7, np.int64),
}


def check(found, expected=ARRAYS):
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, strict=True)


@pytest.fixture
def safe(tmp_path):
    path = tmp_path / "model.SafeTensors"
    safetensors.numpy.save_file(ARRAYS, path)
    return path


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def tensors(torch):
    return {name: torch.from_numpy(array) for name, array in ARRAYS.items()}


@pytest.fixture
def saved(torch, tmp_path):
    """Saves something as PyTorch does; gives the path."""

    def save(content, **options):
        torch.save(content, tmp_path / "model.pth", **options)
        return tmp_path / "model.pth"

    return save


def test_safetensors_without_torch(safe, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = read_foreign(str(safe))
    check({name: found[name] for name in ARRAYS})
    assert len(found) == len(ARRAYS)


def test_the_prefix_of_all_names_goes(tmp_path):
    path = tmp_path / "m.safetensors"
    prefixed = {f"module.{name}": array for name, array in ARRAYS.items()}
    safetensors.numpy.save_file(prefixed, path)
    assert set(read_foreign(path)) == set(ARRAYS)
    some = {**prefixed, "step": np.zeros(1)}
    safetensors.numpy.save_file(some, path)
    assert set(read_foreign(path)) == set(some)
    twice = {f"module.{name}": array for name, array in prefixed.items()}
    safetensors.numpy.save_file(twice, path)
    assert set(read_foreign(path)) == set(prefixed)


@pytest.mark.parametrize("name", ["model.safetensors", "model.pth", "model"])
def test_a_missing_file_or_a_folder_is_named(tmp_path, name):
    with pytest.raises(InputError, match=f"{name}: cannot be read: No such file"):
        read_foreign(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"{name}: cannot be read: Is a directory"):
        read_foreign(tmp_path / name)


@pytest.mark.parametrize("left", [0, 4, 60, -1])
def test_safetensors_cut_off_are_refused(safe, left):
    os.truncate(safe, left % safe.stat().st_size)
    with pytest.raises(InputError, match=r"model\.SafeTensors: is damaged: "):
        read_foreign(safe)


def of_kind(path, kind, data):
    """Writes one tensor of two values, of a type that NumPy alone cannot save."""
    spec = f'{{"a":{{"dtype":"{kind}","shape":[2],"data_offsets":[0,{len(data)}]}}}}'.encode()
    path.write_bytes(len(spec).to_bytes(8, "little") + spec + data)
    return path


def test_brain_floats_become_float32(tmp_path):
    path = of_kind(tmp_path / "m.safetensors", "BF16", b"\xc0\x3f\x40\xc0")
    check(read_foreign(path), {"a": np.array([1.5, -3], np.float32)})


def test_safetensors_of_nothing_or_of_unknown_types_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    safetensors.numpy.save_file({}, path)
    with pytest.raises(InputError, match=r"m\.safetensors: holds no tensors$"):
        read_foreign(path)
    with pytest.raises(InputError, match=r"m\.safetensors: (is damaged|has tensors of a type)"):
        read_foreign(of_kind(path, "F99", b"\0\0"))
    with pytest.raises(InputError, match=r"m\.safetensors: has tensors of a type that NumPy lacks"):
        read_foreign(of_kind(path, "F8_E8M0", b"\0\0"))


def test_without_torch_the_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "model.pth").write_bytes(b"anything")
    with pytest.raises(
        InputError, match=r"model\.pth: needs PyTorch to be read: pip install torch"
    ):
        read_foreign(tmp_path / "model.pth")


def test_only_tensors_are_asked_for(tmp_path, monkeypatch):
    """Without PyTorch: what is asked of it, and that whatever it raises is one line."""
    asked = []

    def load(path, **options):
        asked.append((path.name, options))
        raise RuntimeError("the archive is short. It has lines\nand lines")

    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(load=load))
    (tmp_path / "model.pth").write_bytes(b"anything")
    with pytest.raises(InputError) as caught:
        read_foreign(tmp_path / "model.pth")
    assert caught.value.reason == "is damaged or no PyTorch checkpoint (the archive is short)"
    assert asked == [("model.pth", {"map_location": "cpu", "weights_only": True})]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("key", [None, "state_dict", "model", "params"])
def test_a_state_dict_alone_or_under_a_key(saved, tensors, key, zipped):
    content = tensors if key is None else {"epoch": 3, key: tensors, "optimizer": {"lr": [0.1]}}
    check(read_foreign(saved(content, _use_new_zipfile_serialization=zipped)))


@pytest.mark.parametrize("zipped", [True, False])
def test_state_dicts_under_their_own_names(saved, torch, tensors, zipped):
    net = torch.nn.DataParallel(torch.nn.Linear(2, 3))
    optimiser = torch.optim.Adam(net.parameters())
    net(torch.zeros(1, 2)).sum().backward()
    optimiser.step()
    content = {
        "first": tensors,
        "epoch": 3,
        "second": net.state_dict(),
        "optimizer": optimiser.state_dict(),
    }
    found = read_foreign(saved(content, _use_new_zipfile_serialization=zipped))
    first = {f"first.{name}": array for name, array in ARRAYS.items()}
    second = {"second.weight": net.module.weight, "second.bias": net.module.bias}
    second = {name: tensor.detach().numpy() for name, tensor in second.items()}
    check(found, {**first, **second})


def test_the_prefix_of_a_model_on_several_devices(saved, torch):
    net = torch.nn.DataParallel(torch.nn.Linear(2, 3))
    found = read_foreign(saved({"state_dict": net.state_dict()}))
    assert {name: array.shape for name, array in found.items()} == {"weight": (3, 2), "bias": (3,)}
    np.testing.assert_array_equal(found["weight"], net.module.weight.detach().numpy())


def test_kinds_of_tensors(saved, torch):
    content = {
        "parameter": torch.nn.Parameter(torch.tensor([1.5])),
        "brain": torch.tensor([1.5, -3], dtype=torch.bfloat16),
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "name": "no tensor",
    }
    check(
        read_foreign(saved(content)),
        {
            "parameter": np.array([1.5], np.float32),
            "brain": np.array([1.5, -3], np.float32),
            "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        },
    )


def test_tensors_that_are_no_arrays_are_refused(saved, torch):
    path = saved({"sparse": torch.eye(2).to_sparse()})
    with pytest.raises(InputError, match=r"model\.pth: sparse cannot be an array \(torch.float32"):
        read_foreign(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_objects_are_refused(saved, torch, tensors, zipped):
    options = {"_use_new_zipfile_serialization": zipped}
    with pytest.raises(InputError, match=r"model\.pth: holds an object \(torch\.nn\..*\.Linear\)"):
        read_foreign(saved(torch.nn.Linear(2, 3), **options))
    content = {"args": argparse.Namespace(lr=1), "state_dict": tensors}
    with pytest.raises(InputError, match=r"model\.pth: holds an object \(argparse\.Namespace\)"):
        read_foreign(saved(content, **options))


def test_nothing_in_the_file_is_run(saved, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trapped"),)

    with pytest.raises(InputError, match=r"holds an object \(posix\.mkdir\)"):
        read_foreign(saved({"state_dict": Trap()}))
    assert not (tmp_path / "trapped").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_programs_are_refused(torch, tmp_path):
    torch.jit.script(torch.nn.Linear(2, 3)).save(tmp_path / "model.pth")
    with pytest.raises(InputError, match=r"model\.pth: is a TorchScript program"):
        read_foreign(tmp_path / "model.pth")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], "holds no state dict but a list"),
        (3, "holds no state dict but a int"),
        ({"epoch": 3}, "holds no tensors"),
        ({"epoch": 3, "state_dict": {}}, "holds no tensors"),
    ],
)
def test_files_without_tensors_are_refused(saved, content, reason):
    with pytest.raises(InputError, match=f"model.pth: {reason}$"):
        read_foreign(saved(content))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0, 0.02, 0.3, 0.6, 0.99])
def test_files_cut_off_are_refused(saved, tensors, zipped, share):
    path = saved(tensors, _use_new_zipfile_serialization=zipped)
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(InputError, match=r"model\.pth: is damaged or no PyTorch checkpoint"):
        read_foreign(path)


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + bytes(50), b"some words", b"\x80\x04."])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.pth: is damaged or no PyTorch checkpoint"):
        read_foreign(tmp_path / "model.pth")
