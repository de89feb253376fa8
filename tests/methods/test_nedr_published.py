"""Published weights of NeDR, D4 and the encoder: where each tensor goes, and what comes of them."""

import dataclasses
import functools
import re

import efficientnet_weights
import jax
import jax.numpy as jnp
import nedr_weights as given
import numpy as np
import pytest
from scripts import TESTS, load_script

from dehaze_jax import methods
from dehaze_jax.errors import InputError
from dehaze_jax.methods import OptimiserConfig, build
from dehaze_jax.methods.nedr import published
from dehaze_jax.methods.nedr.config import D4, PUBLISHED, RELEASED
from dehaze_jax.methods.nedr.networks import Networks
from dehaze_jax.methods.nedr.published import NETWORKS, import_published, places
from dehaze_jax.storage import flatten
from dehaze_jax.storage.trees import count_parameters

CONFIGS = {"nedr": RELEASED, "d4": D4}
COUNTER = "num_batches_tracked"
FIRST = "net_h2c.pretrained.layer1.0.weight"
CLASSIFIER = {
    "conv_head.weight": np.zeros((1280, 384, 1, 1), np.float32),
    "bn2.running_var": np.zeros(1280, np.float32),
    "bn2.num_batches_tracked": np.array(3),
    "classifier.weight": np.zeros((1000, 1280), np.float32),
}


@functools.cache
def tensors_of(method):
    return given.state_dict(method)


@functools.cache
def shapes_of(config):
    return jax.eval_shape(build(config).init, jax.random.key(0), {})


@functools.cache
def imported(method):
    return import_published(tensors_of(method), source="weights.pth")


@pytest.fixture
def drawn(monkeypatch):
    """Initial values that cost nothing: each variable is the length of its path."""

    def draw(config, key=None):
        def fill(path, leaf):
            return jnp.full(leaf.shape, len(jax.tree_util.keystr(path)), leaf.dtype)

        return jax.tree_util.tree_map_with_path(fill, shapes_of(config))

    for config in (PUBLISHED, RELEASED, D4):
        shapes_of(config)
    monkeypatch.setattr(published, "initial_variables", draw)
    return lambda config: flatten(draw(config))


def test_the_tensors_of_tests_are_as_many_as_published():
    """Numbers of parameters of the authors' networks, but for `mcc`, which has 490,187."""

    def count(method, network):
        return sum(
            int(np.prod(shape))
            for name, shape in given.shapes(method)[network].items()
            if not name.endswith(("running_mean", "running_var", "grid", "_u", "_v", COUNTER))
            and not name.startswith("mcc.")
        )

    assert count("nedr", "net_h2c") == 13_376_701 - 490_187
    assert count("d4", "net_h2c") == 10_727_762
    assert count("d4", "net_c2h") == 1_484_483
    assert count("d4", "net_depth") == 10_689_233
    assert count("d4", "discriminator_h2c") == count("d4", "discriminator_c2h") == 2_763_776


@pytest.mark.parametrize("method", CONFIGS)
def test_every_variable_has_one_published_tensor(method):
    config = CONFIGS[method]
    expected = {path: (leaf.shape, leaf.dtype) for path, leaf in flatten(shapes_of(config)).items()}
    flat = flatten(imported(method).variables)
    assert {path: (leaf.shape, leaf.dtype) for path, leaf in flat.items()} == expected
    assert sorted(place.path for place in places(config).values()) == sorted(expected)
    assert (imported(method).config, imported(method).initial) == (config, ())


def test_d4_is_nedr_without_what_it_added():
    """And without the residual unit that nothing passes."""
    unused = 2 * (256 * 256 * 9 + 256)
    assert count_parameters({"params": shapes_of(D4)["params"]["scene"]}) == 10_727_762 - unused
    added = shapes_of(RELEASED)["params"]["scene"].keys() - shapes_of(D4)["params"]["scene"].keys()
    assert added == {"mix1", "mix2", "mix3", "mix4", "implicit"}


@pytest.mark.parametrize(
    ("changes", "collections"),
    [
        # A network without splines has no grids, which no other part of a step may ask for.
        ({"variant": "d4"}, {"params", "batch_stats", "spectral"}),
        ({"variant": "released"}, {"params", "batch_stats", "spectral", "grids"}),
        ({"airlight": "maximum"}, {"params", "batch_stats", "spectral", "grids"}),
    ],
)
def test_every_kind_has_a_step(changes, collections):
    config = methods.NedrConfig(width=4, **changes)
    method = build(config, OptimiserConfig())
    pictures = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    batch = {"hazy": pictures, "clear": pictures}

    def first(key, batch):
        return method.train_step(method.start(method.init(key, batch)), batch, key)

    state, _ = jax.eval_shape(first, jax.random.key(0), batch)
    assert set(state.variables) == collections


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"variant": "d4", "coordinates": False}, "coordinates: False has no meaning for .* 'd4'"),
        ({"variant": "d4", "outside": "clamp"}, "outside: 'clamp' has no meaning for .* 'd4'"),
        ({"size": "published", "width": 32}, "size: 'published' .* width must stay 16"),
    ],
)
def test_options_without_effect_are_refused(values, reason):
    with pytest.raises(InputError, match=reason):
        methods.NedrConfig(**values)


def square(value):
    return value[:, :, 0, 0].T


def first_matrix(value):
    """The inputs of a critic's layer as PyTorch multiplies them: channel by channel."""
    return value.reshape(-1, 4, 4).transpose(1, 2, 0)


@pytest.mark.parametrize(
    ("name", "path", "change"),
    [
        (FIRST, "params/scene/encoder/backbone/stem/kernel", (2, 3, 1, 0)),
        (
            "net_depth.pretrained.layer4.1.0.bn3.running_var",
            "batch_stats/depth/encoder/backbone/stage6_block0/project_norm/var",
            (0,),
        ),
        ("net_h2c.scratch.layer3_rn.1.weight", "params/scene/map3/conv/kernel", (2, 3, 1, 0)),
        (
            "net_depth.scratch.refinenet1.resConfUnit1.conv2.weight",
            "params/depth/refine1/unit1/conv2/kernel",
            (2, 3, 1, 0),
        ),
        (
            "net_h2c.scratch.refinenet4.resConfUnit2.conv1.bias",
            "params/scene/refine4/unit2/conv1/bias",
            (0,),
        ),
        (
            "net_h2c.scratch.refinenet2.out_conv.weight",
            "params/scene/refine2/out/kernel",
            (2, 3, 1, 0),
        ),
        ("net_depth.scratch.output_conv.4.bias", "params/depth/head/conv2/bias", (0,)),
        ("net_h2c.final_conv_beta_1.0.weight", "params/scene/density1/kernel", square),
        ("net_h2c.final_conv_beta_2.0.bias", "params/scene/density2/bias", (0,)),
        (
            "net_h2c.cid_128.channel_independent.dconv.weight",
            "params/scene/mix3/depthwise/kernel",
            (2, 3, 1, 0),
        ),
        (
            "net_h2c.cid_32.channel_dependent.fc2.base_weight",
            "params/scene/mix1/kan2/base",
            (1, 0),
        ),
        (
            "net_h2c.cid_64.channel_dependent.fc1.spline_scaler",
            "params/scene/mix2/kan1/scale",
            (1, 0),
        ),
        (
            "net_h2c.cid_256.channel_dependent.fc1.spline_weight",
            "params/scene/mix4/kan1/weight",
            (1, 2, 0),
        ),
        ("net_h2c.cid_256.channel_dependent.fc2.grid", "grids/scene/mix4/kan2/knots", (0, 1)),
        ("net_h2c.nrn.imnet.layers.0.weight", "params/scene/implicit/layers_0/kernel", (1, 0)),
        ("net_h2c.nrn.imnet.layers.6.bias", "params/scene/implicit/layers_3/bias", (0,)),
        ("net_c2h.enc_conv0.1.weight", "params/haze/first/kernel", (2, 3, 1, 0)),
        ("net_c2h.enc_conv3.2.weight", "params/haze/down3/norm/scale", (0,)),
        ("net_c2h.bottleneck2.res.1.weight", "params/haze/block2_1/conv/kernel", (2, 3, 1, 0)),
        ("net_c2h.bottleneck4.res.6.running_mean", "batch_stats/haze/block4_2/norm/mean", (0,)),
        ("net_c2h.dec_conv1.1.bias", "params/haze/up1/conv/bias", (0,)),
        ("net_c2h.dec_conv_last.1.weight", "params/haze/up3/kernel", (2, 3, 1, 0)),
        ("net_c2h.dec_conv_last_2.1.weight", "params/haze/last/kernel", (2, 3, 1, 0)),
        (
            "discriminator_h2c.conv5.0.weight_orig",
            "params/clear_critic/conv5/kernel",
            (2, 3, 1, 0),
        ),
        ("discriminator_c2h.conv1.0.weight_u", "spectral/hazy_critic/conv1/u", (0,)),
        ("discriminator_h2c.conv2.0.weight_v", "spectral/clear_critic/conv2/v", first_matrix),
    ],
)
def test_where_tensors_go(name, path, change):
    theirs, ours = tensors_of("nedr")[name], flatten(imported("nedr").variables)[path]
    expected = theirs.transpose(change) if isinstance(change, tuple) else change(theirs)
    np.testing.assert_array_equal(ours, expected)


def test_singular_vectors_fit_their_kernels():
    """As PyTorch has it: u^T W v, where W has a row for each output."""
    name = "discriminator_c2h.conv3.0.weight_"
    kernel, u, v = (tensors_of("nedr")[name + part] for part in ("orig", "u", "v"))
    theirs = u @ kernel.reshape(len(kernel), -1) @ v
    variables = imported("nedr").variables
    kernel = variables["params"]["hazy_critic"]["conv3"]["kernel"]
    vectors = variables["spectral"]["hazy_critic"]["conv3"]
    ours = np.einsum("hwio,hwi,o->", kernel, vectors["v"], vectors["u"])
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_what_was_used_and_what_is_left_over():
    tensors = {**tensors_of("nedr"), "net_h2c.extra.weight": np.zeros((2, 3), np.float32)}
    found = import_published(tensors, source="weights.pth")
    used = {name: shape for name, _, shape in found.used}
    left_over = {name: (shape, reason) for name, shape, reason in found.left_over}
    assert used.keys().isdisjoint(left_over)
    given_shapes = {name: tensor.shape for name, tensor in tensors.items()}
    assert used | {name: shape for name, (shape, _) in left_over.items()} == given_shapes
    assert left_over.pop("net_h2c.extra.weight") == ((2, 3), "unknown to the method")

    reasons = {name: reason for name, (_, reason) in left_over.items()}
    expected = {name: "counts training steps, no weight" for name in tensors if COUNTER in name}
    for network in ("net_h2c", "net_depth"):
        for part in ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"):
            name = f"{network}.scratch.refinenet4.resConfUnit1.{part}"
            expected[name] = "refines a skip, which the coarsest scale lacks"
    layers = [f"cid_{n}.channel_dependent.fc{k}" for n in given.LEVELS for k in (1, 2)]
    unused = [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]
    for name in (*unused, "mcc.temperature", "mcc.color_space_detector.fc.weight"):
        expected[f"net_h2c.{name}"] = "published, but used nowhere"
    assert reasons == expected


def without(method, *networks):
    tensors = tensors_of(method)
    return {
        name: tensor for name, tensor in tensors.items() if name.partition(".")[0] not in networks
    }


CRITICS = ("discriminator_h2c", "discriminator_c2h")


@pytest.mark.parametrize(
    ("method", "absent", "initial"),
    [
        ("nedr", CRITICS, ("clear_critic", "hazy_critic")),
        ("d4", (*CRITICS, "net_c2h"), ("haze", "clear_critic", "hazy_critic")),
        ("d4", ("net_depth", "discriminator_h2c"), ("depth", "clear_critic")),
    ],
)
def test_networks_that_are_absent_have_initial_values(drawn, method, absent, initial):
    found = import_published(without(method, *absent), source="weights.pth")
    assert (found.config, found.initial) == (CONFIGS[method], initial)
    whole, first = flatten(imported(method).variables), drawn(CONFIGS[method])
    flat = flatten(found.variables)
    assert flat.keys() == first.keys()
    for path, ours in flat.items():
        expected = first if path.split("/")[1] in initial else whole
        np.testing.assert_array_equal(ours, expected[path])


def test_initial_values_are_those_of_training():
    found = import_published(without("d4", *CRITICS), source="weights.pth").variables

    def draw(key):
        variables = build(D4).init(key, {})
        return {kind: variables[kind]["hazy_critic"] for kind in ("params", "spectral")}

    for kind, expected in jax.jit(draw)(jax.random.key(0)).items():
        for path, theirs in flatten(expected).items():
            ours = flatten(found[kind]["hazy_critic"])[path]
            np.testing.assert_allclose(ours, theirs, atol=1e-6, err_msg=path)


def test_an_encoder_alone_becomes_that_of_both_readers(drawn):
    encoder = efficientnet_weights.state_dict()
    found = import_published({**encoder, **CLASSIFIER}, source="tf_efficientnet_lite3.pth")
    assert found.config == PUBLISHED
    others = ("haze", "clear_critic", "hazy_critic")
    assert found.initial == ("scene but its encoder", "depth but its encoder", *others)
    first, flat = drawn(PUBLISHED), flatten(found.variables)
    assert flat.keys() == first.keys()
    for path, ours in flat.items():
        if "/encoder/" not in path:
            np.testing.assert_array_equal(ours, first[path])
    for network in ("scene", "depth"):
        path = f"{network}/encoder/backbone/stage2_block1"
        np.testing.assert_array_equal(
            flat[f"params/{path}/depthwise/kernel"],
            encoder["blocks.2.1.conv_dw.weight"].transpose(2, 3, 1, 0),
        )
        np.testing.assert_array_equal(
            flat[f"batch_stats/{path}/project_norm/mean"], encoder["blocks.2.1.bn3.running_mean"]
        )
    used = [name for name, *_ in found.used]
    assert len(used) == 2 * len(set(used))
    left_over = {name: reason for name, _, reason in found.left_over}
    assert left_over.keys() | set(used) == encoder.keys() | CLASSIFIER.keys()
    assert {left_over[name] for name in CLASSIFIER if not name.endswith(COUNTER)} == {
        "of the classifier, not of the encoder"
    }


def test_a_training_of_the_published_network_can_start_from_an_encoder():
    """Its configuration is the one that the encoder is imported into, but for the losses."""
    config = load_script("../experiments/configs/nedr.py").get_config("published").method
    assert dataclasses.replace(config, objective=PUBLISHED.objective) == PUBLISHED


@pytest.mark.parametrize(
    ("method", "change", "reason"),
    [
        ("nedr", {"net_h2c": None}, f"{FIRST} is missing"),
        ("nedr", {"net_h2c": None, "net_c2h": None, "net_depth": None}, f"{FIRST} is missing"),
        (
            "d4",
            {"net_c2h.dec_conv2.1.bias": None},
            "net_c2h.dec_conv2.1.bias is missing",
        ),
        (
            "nedr",
            {"net_h2c.cid_64": None},
            "net_h2c.cid_64.channel_independent.dconv.weight is missing",
        ),
        (
            "nedr",
            {"net_h2c.nrn.imnet.layers.2.weight": np.zeros((256, 308), np.float32)},
            "net_h2c.nrn.imnet.layers.2.weight has shape (256, 308), expected (256, 256)",
        ),
        (
            "nedr",
            {"net_h2c.cid_32.channel_dependent.fc1.spline_weight": np.zeros((32, 8, 32))},
            "net_h2c.cid_32.channel_dependent.fc1.spline_weight has shape (32, 8, 32), "
            "expected (32, 32, 8)",
        ),
        (
            "d4",
            {"net_h2c.final_conv_beta_1.0.weight": np.zeros((64, 600))},
            "net_h2c.final_conv_beta_1.0.weight has shape (64, 600), expected (64, 600, 1, 1)",
        ),
        (
            "d4",
            {"discriminator_h2c.conv2.0.weight_v": np.zeros((64, 4, 4))},
            "discriminator_h2c.conv2.0.weight_v has shape (64, 4, 4), expected (1024,)",
        ),
    ],
)
def test_tensors_of_another_model_are_refused(method, change, reason):
    tensors = {
        name: tensor
        for name, tensor in tensors_of(method).items()
        if not any(name == key or name.startswith(f"{key}.") for key in change)
    }
    tensors |= {name: tensor for name, tensor in change.items() if tensor is not None}
    with pytest.raises(
        InputError, match=f"^weights.pth: belongs to another model: {re.escape(reason)}$"
    ):
        import_published(tensors, source="weights.pth")


def test_other_networks_are_refused():
    with pytest.raises(InputError, match=f"^resnet.pth: .*: {re.escape(FIRST)} is missing$"):
        import_published({"conv1.weight": np.zeros((64, 3, 7, 7))}, source="resnet.pth")
    encoder = efficientnet_weights.state_dict()
    del encoder["blocks.6.0.bn3.bias"]
    with pytest.raises(InputError, match=r"^lite0.pth: .* blocks\.6\.0\.bn3\.bias is missing$"):
        import_published(encoder, source="lite0.pth")


def test_weights_of_a_run_that_diverged_are_refused():
    name = "net_h2c.scratch.output_conv.6.bias"
    tensors = {**tensors_of("d4"), name: np.full(1, np.nan, np.float32)}
    with pytest.raises(InputError, match=f"^weights.pth: {name} has values that are not finite"):
        import_published(tensors, source="weights.pth")


def test_the_table_has_it():
    assert methods.METHODS["nedr"].import_published is import_published


@functools.cache
def golden():
    with np.load(TESTS / "methods" / "golden" / "nedr_published.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("method", CONFIGS)
def test_networks_equal_torch(method):
    def run(networks, x):
        scene = networks.find_scene(x, train=False)
        found = {"transmission": scene.transmission, "density": scene.density}
        if method == "nedr":
            found["depth"] = depth = networks.find_depth(x, train=False)
            density = jnp.full(1, given.DENSITY)
            found["hazy"] = networks.add_haze(x, depth, density, train=False)
            found["clear_critic"] = networks.clear_critic(x, train=False)
            found["hazy_critic"] = networks.hazy_critic(x, train=False)
        return found

    apply = functools.partial(Networks(CONFIGS[method]).apply, method=run)
    found = jax.jit(apply)(imported(method).variables, given.picture())
    for name, array in found.items():
        expected = golden()[f"{method}/{name}"]
        np.testing.assert_allclose(given.summary(array), expected, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("method", CONFIGS)
def test_golden_arrays_are_what_torch_gives(method):
    pytest.importorskip("torch")
    for name, theirs in load_script("twins/nedr_published.py").solve(method).items():
        np.testing.assert_allclose(golden()[name], theirs, rtol=1e-5, atol=1e-7, err_msg=name)


def test_all_networks_are_known():
    assert set(NETWORKS.values()) == set(shapes_of(RELEASED)["params"])
