"""Published tensors of EfficientNet-lite3: where each goes, and what the encoder makes of them."""

import functools
import re

import efficientnet_weights as given
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scripts import TESTS, load_script

from dehaze_jax.errors import InputError
from dehaze_jax.methods.importing import COUNTER, take
from dehaze_jax.methods.nedr.efficientnet_names import LAYERS, TIMM, places
from dehaze_jax.networks.efficientnet import EfficientNetLite3
from dehaze_jax.storage import flatten

TENSORS = given.state_dict()


@functools.cache
def shapes():
    pictures = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    init = functools.partial(EfficientNetLite3().init, train=False)
    tree = jax.eval_shape(init, jax.random.key(0), pictures)
    return {
        f"{kind}/depth/encoder/{path}": leaf
        for kind, variables in tree.items()
        for path, leaf in flatten(variables).items()
    }


def taken(tensors, where):
    return take(
        tensors, where, shapes(), config=None, reasons={COUNTER: "counts"}, source="model.pt"
    )


@pytest.fixture(scope="module")
def imported():
    return taken(TENSORS, places("", "depth/encoder"))


@functools.cache
def taps(case):
    """Features of a case and running statistics after it, in 64 bits.

    In 32 bits PyTorch itself is up to 0.001 from them: the random network is ill-conditioned.
    """
    variables = taken(TENSORS, places("", "depth/encoder")).variables
    variables = {kind: nested["depth"]["encoder"] for kind, nested in variables.items()}
    variables = jax.tree.map(lambda array: jnp.asarray(array, jnp.float64), variables)
    network = EfficientNetLite3()
    pictures = jnp.asarray(given.pictures(case), jnp.float64)
    if not given.CASES[case][1]:
        apply = functools.partial(network.apply, train=False)
        return jax.jit(apply)(variables, pictures), {}
    apply = functools.partial(network.apply, train=True, mutable=["batch_stats"])
    return jax.jit(apply)(variables, pictures)


@functools.cache
def golden():
    with np.load(TESTS / "methods" / "golden" / "efficientnet_lite3.npz") as arrays:
        return dict(arrays)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", given.CASES)
def test_features_equal_torch(case):
    features, _ = taps(case)
    assert len(features) == 4
    for number, tap in enumerate(features):
        np.testing.assert_allclose(given.summary(tap), golden()[f"{case}/{number}"], rtol=1e-5)


@pytest.mark.usefixtures("x64")
def test_running_statistics_equal_torch():
    _, updated = taps("train")
    flat = flatten(updated["batch_stats"])
    where = places("", "encoder")
    for name in given.RUNNING:
        for part in ("running_mean", "running_var"):
            path = where[f"{name}.{part}"].path.removeprefix("batch_stats/encoder/")
            np.testing.assert_allclose(flat[path], golden()[f"{name}.{part}"], rtol=1e-5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", given.CASES)
def test_live_twin(case):
    pytest.importorskip("torch")
    twin = load_script("twins/efficientnet_lite3.py")
    theirs, _ = twin.taps(case)
    for ours, expected in zip(taps(case)[0], theirs, strict=True):
        assert ours.shape == expected.shape
        np.testing.assert_allclose(ours, expected, rtol=1e-7, atol=1e-7)
    for name, array in twin.solve(case).items():
        np.testing.assert_allclose(array, golden()[name], rtol=1e-5)


def test_live_twin_has_the_same_names():
    pytest.importorskip("torch")
    model = load_script("twins/efficientnet_lite3.py").model()
    assert {name: tuple(t.shape) for name, t in model.state_dict().items()} == given.shapes()
    wrapped = [name for name in model.layers().state_dict() if not name.endswith(COUNTER)]
    assert sorted(wrapped) == sorted(places("", "", naming=LAYERS))


def test_every_variable_has_one_tensor(imported):
    flat = flatten(imported.variables)
    assert {path: (leaf.shape, leaf.dtype) for path, leaf in flat.items()} == {
        path: (leaf.shape, leaf.dtype) for path, leaf in shapes().items()
    }
    assert len({place.path for place in places("", "").values()}) == len(flat)


def test_only_counters_are_left_over(imported):
    assert {name for name, *_ in imported.left_over} == {
        name for name in TENSORS if name.endswith(COUNTER)
    }
    assert {reason for *_, reason in imported.left_over} == {"counts"}


@pytest.mark.parametrize(
    ("timm", "layers", "path", "axes"),
    [
        ("conv_stem.weight", "layer1.0.weight", "params/{}/stem/kernel", (2, 3, 1, 0)),
        ("bn1.running_var", "layer1.1.running_var", "batch_stats/{}/stem_norm/var", (0,)),
        (
            "blocks.0.0.conv_dw.weight",
            "layer1.3.0.conv_dw.weight",
            "params/{}/stage0_block0/depthwise/kernel",
            (2, 3, 1, 0),
        ),
        (
            "blocks.0.0.conv_pw.weight",
            "layer1.3.0.conv_pw.weight",
            "params/{}/stage0_block0/project/kernel",
            (2, 3, 1, 0),
        ),
        (
            "blocks.0.0.bn2.bias",
            "layer1.3.0.bn2.bias",
            "params/{}/stage0_block0/project_norm/bias",
            (0,),
        ),
        (
            "blocks.1.2.bn1.weight",
            "layer1.4.2.bn1.weight",
            "params/{}/stage1_block2/expand_norm/scale",
            (0,),
        ),
        (
            "blocks.2.1.conv_pw.weight",
            "layer2.0.1.conv_pw.weight",
            "params/{}/stage2_block1/expand/kernel",
            (2, 3, 1, 0),
        ),
        (
            "blocks.3.4.bn2.running_mean",
            "layer3.0.4.bn2.running_mean",
            "batch_stats/{}/stage3_block4/depthwise_norm/mean",
            (0,),
        ),
        (
            "blocks.4.0.conv_pwl.weight",
            "layer3.1.0.conv_pwl.weight",
            "params/{}/stage4_block0/project/kernel",
            (2, 3, 1, 0),
        ),
        (
            "blocks.5.5.conv_dw.weight",
            "layer4.0.5.conv_dw.weight",
            "params/{}/stage5_block5/depthwise/kernel",
            (2, 3, 1, 0),
        ),
        (
            "blocks.6.0.bn3.weight",
            "layer4.1.0.bn3.weight",
            "params/{}/stage6_block0/project_norm/scale",
            (0,),
        ),
    ],
)
def test_where_tensors_go(imported, timm, layers, path, axes):
    path = path.format("depth/encoder")
    assert places("", "depth/encoder")[timm].path == path
    where = places("pretrained.", "depth/encoder", naming=LAYERS)
    assert where[f"pretrained.{layers}"].path == path
    ours = flatten(imported.variables)[path]
    np.testing.assert_array_equal(ours, TENSORS[timm].transpose(axes))


def test_both_namings_are_of_the_same_tensors():
    layers, timm = places("a.b.", "x", naming=LAYERS), places("", "x", naming=TIMM)
    assert list(layers.values()) == list(timm.values())
    assert all(name.startswith("a.b.layer") for name in layers)


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("blocks.5.5.bn3.bias", None, "is missing"),
        (
            "blocks.2.0.conv_dw.weight",
            (192, 1, 3, 3),
            "has shape (192, 1, 3, 3), expected (192, 1, 5, 5)",
        ),
    ],
)
def test_tensors_of_another_model_are_refused(name, shape, reason):
    tensors = dict(TENSORS)
    del tensors[name]
    if shape is not None:
        tensors[name] = np.zeros(shape, np.float32)
    with pytest.raises(InputError, match=re.escape(f"{name} {reason}")):
        taken(tensors, places("", "depth/encoder"))
