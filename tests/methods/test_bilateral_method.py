"""The protocol: strips, devices and any size equal the network on the whole picture; training."""

import dataclasses
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from rich.console import Console
from scipy.ndimage import map_coordinates
from scripts import load_script
from skimage.metrics import structural_similarity

from dehaze_jax import data, restoring, storage, training
from dehaze_jax.errors import InputError
from dehaze_jax.methods import (
    RELEASED,
    BilateralConfig,
    BilateralObjectiveConfig,
    OptimiserConfig,
    build,
)
from dehaze_jax.methods.bilateral.method import loss, make_network

SLIM = BilateralConfig(width=8, proxy_size=16, grid_size=4, grid_depth=3)
TINY = dataclasses.replace(
    RELEASED, width=2, proxy_size=16, feature_size=20, grid_size=4, grid_depth=4
)
CONFIGS = {
    "slim": SLIM,
    "slim, convolutions": dataclasses.replace(SLIM, guides="convolutions"),
    "slim, positive": dataclasses.replace(SLIM, coefficients="positive"),
    "released": TINY,
    "released, spatial": dataclasses.replace(TINY, grid_layout="spatial", grid_depth=2),
    "released, signed, curves": dataclasses.replace(TINY, coefficients="signed", guides="curves"),
}
RNG = np.random.default_rng(0)
HAZY = RNG.uniform(0.2, 0.8, (23, 19, 3)).astype(np.float32)


def random_variables(config):
    """Every layer does something, also those that start at zero."""
    shapes = jax.eval_shape(make_network(config).init, jax.random.key(0), HAZY[None])
    rng = np.random.default_rng(1)

    def draw(path, leaf):
        name = path[-1].key
        if name in ("scale", "var", "negative_slope"):
            values = rng.uniform(0.4, 1.2, leaf.shape)
        elif name == "kernel" and leaf.ndim:
            values = rng.normal(size=leaf.shape) / np.sqrt(np.prod(leaf.shape[:-1]))
        else:
            values = rng.normal(scale=0.2, size=leaf.shape)
        return jnp.asarray(values, leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def restore_in_one_piece(config, hazy=HAZY):
    """The network on a whole picture."""
    restored = jax.jit(make_network(config).apply)(random_variables(config), hazy[None])[0]
    return np.clip(restored, 0, 1)


@pytest.mark.parametrize("name", CONFIGS)
def test_strips_equal_the_whole(name):
    config = CONFIGS[name]
    restorer = restoring.Restorer(build(config), random_variables(config), strip_pixels=1)
    whole = restore_in_one_piece(config)
    assert np.std(whole) > 0.01
    np.testing.assert_allclose(restorer(HAZY), whole, atol=2e-6)


@pytest.mark.devices
@pytest.mark.parametrize("name", ["slim", "released"])
def test_rows_over_devices_equal_one_device(name):
    config = CONFIGS[name]
    devices = jax.devices()[:4]
    restorer = restoring.Restorer(build(config), random_variables(config), devices=devices)
    np.testing.assert_allclose(restorer(HAZY), restore_in_one_piece(config), atol=2e-6)


def test_a_batch_is_restored_picture_by_picture():
    batch = jnp.stack([HAZY, HAZY[::-1]])
    restored = restoring.restore_whole(build(SLIM), random_variables(SLIM), batch)
    for ours, hazy in zip(restored, batch, strict=True):
        np.testing.assert_allclose(ours, restore_in_one_piece(SLIM, hazy), atol=2e-6)


def batch_of_pairs():
    clear = RNG.uniform(0.1, 0.7, (4, 16, 16, 3))
    hazy = 0.6 * clear + 0.4 * 0.9
    return {"hazy": jnp.asarray(hazy, jnp.float32), "clear": jnp.asarray(clear, jnp.float32)}


BATCH = batch_of_pairs()


@pytest.fixture(scope="module", params=["slim", "released"])
def run(request):
    config = CONFIGS[request.param]
    method = build(config, OptimiserConfig(learning_rate=3e-3, warmup_steps=0), total_steps=100)
    return method, random_variables(config), jax.jit(method.train_step)


@pytest.fixture(scope="module")
def first(run):
    method, variables, train_step = run
    return train_step(method.start(variables), BATCH, jax.random.key(0))


def test_every_parameter_moves(first, run):
    _, variables, _ = run
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), first[0].variables, variables)
    still = [jax.tree_util.keystr(path) for path, by in jax.tree.leaves_with_path(moved) if by == 0]
    # Batch normalisation takes off what a bias adds before it.
    before_norm = re.compile(r"\['(inc|down\d|up\d|red|green|blue)'\]\['conv[12]'\]\['bias'\]$")
    assert all(before_norm.search(name) for name in still)


def test_the_loss_falls(first, run):
    _, _, train_step = run
    state, scalars = first
    begin = float(scalars["loss"])
    for step in range(12):
        state, scalars = train_step(state, BATCH, jax.random.key(step))
    assert float(scalars["loss"]) < 0.9 * begin


@pytest.mark.devices
def test_a_batch_over_devices_equals_one_device():
    """Loss, gradients, and batch statistics, which are those of the whole batch."""
    # Levels of fewer rows than devices would get wrong gradients: see docs/scale.md.
    config = dataclasses.replace(CONFIGS["slim, convolutions"], width=4, proxy_size=64)
    variables = random_variables(config)
    mesh = Mesh(np.array(jax.devices()[:4]).reshape(2, 2), ("data", "space"))
    sharded = jax.device_put(BATCH, NamedSharding(mesh, PartitionSpec("data", "space")))
    everywhere = jax.device_put(variables, NamedSharding(mesh, PartitionSpec()))

    def gradient(variables, batch):
        return jax.value_and_grad(lambda v: loss(config, v, batch), has_aux=True)(variables)

    compiled = jax.jit(gradient)
    (value, (_, statistics)), gradients = compiled(variables, BATCH)
    (other, (_, others)), sharded_gradients = compiled(everywhere, sharded)
    np.testing.assert_allclose(other, value, rtol=1e-5)
    for ours, theirs in zip(jax.tree.leaves(others), jax.tree.leaves(statistics), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert float(optax.tree.norm(gradients)) > 0.01
    for ours, theirs in zip(
        jax.tree.leaves(sharded_gradients), jax.tree.leaves(gradients), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_loss_is_l1_and_ssim(weight):
    objective = BilateralObjectiveConfig(ssim_weight=weight)
    config = dataclasses.replace(SLIM, objective=objective)
    variables = random_variables(config)
    value, (parts, statistics) = jax.jit(loss, static_argnums=0)(config, variables, BATCH)
    restored = np.asarray(jax.jit(make_network(config).apply)(variables, BATCH["hazy"]))
    expected = np.abs(restored - BATCH["clear"]).mean()
    if weight:
        similar = [
            structural_similarity(
                a,
                np.asarray(b),
                channel_axis=-1,
                gaussian_weights=True,
                use_sample_covariance=False,
                data_range=1,
            )
            for a, b in zip(restored, BATCH["clear"], strict=True)
        ]
        expected += weight * (1 - np.mean(similar))
    assert set(parts) == ({"loss", "l1", "ssim"} if weight else {"loss", "l1"})
    assert not statistics
    np.testing.assert_allclose(value, expected, rtol=1e-4)


@pytest.mark.parametrize("coefficients", ["signed", "positive"])
def test_slim_is_a_mean_of_sliced_models(coefficients):
    """Against SciPy, from what the backbone says and the guides."""
    config = dataclasses.replace(SLIM, coefficients=coefficients)
    network, variables = make_network(config), random_variables(config)
    hazy = jnp.asarray(HAZY)[None]
    predict = jax.jit(partial(network.apply, method="predict"))
    grid, shares = predict(variables, network.shrink(hazy))
    assert float(grid.min()) < 0 if coefficients == "signed" else float(grid.min()) > 0
    np.testing.assert_allclose(np.sum(shares, axis=-1), 1, rtol=1e-6)
    planes = tuple(hazy[..., channel] for channel in range(3))
    guides = network.apply(variables, planes, method=lambda module, planes: module.guides(planes))
    height, width = HAZY.shape[:2]
    y = (np.arange(height) + 0.5) / height * 4 - 0.5
    x = (np.arange(width) + 0.5) / width * 4 - 0.5
    y, x = np.meshgrid(y, x, indexing="ij")
    models = np.zeros((height, width, 12))
    for number, guide in enumerate(guides):
        z = np.clip(guide[0], 0, 1) * (config.grid_depth - 1)
        share = map_coordinates(shares[0, ..., number], [y, x], order=1, mode="nearest")
        sliced = [
            map_coordinates(grid[0, ..., k], [y, x, z], order=1, mode="nearest") for k in range(12)
        ]
        models += share[..., None] * np.stack(sliced, axis=-1)
    models = models.reshape(height, width, 3, 4)
    expected = np.einsum("hwij,hwj->hwi", models[..., :3], HAZY) + models[..., 3]
    np.testing.assert_allclose(network.apply(variables, hazy)[0], expected, atol=1e-5)


def test_a_new_slim_network_changes_nothing():
    method = build(SLIM)
    variables = jax.jit(lambda key: method.init(key, {}))(jax.random.key(0))
    np.testing.assert_allclose(restoring.Restorer(method, variables)(HAZY), HAZY, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "size"),
    [("slim", (1, 1)), ("slim", (1, 9)), ("slim", (9, 1)), ("released", (2, 1))],
)
def test_pictures_smaller_than_the_grid(name, size):
    config = CONFIGS[name]
    restorer = restoring.Restorer(build(config), random_variables(config))
    hazy = HAZY[: size[0], : size[1]]
    np.testing.assert_allclose(restorer(hazy), restore_in_one_piece(config, hazy), atol=2e-6)


def test_restoring_evaluates_no_field():
    assert build(SLIM).evaluations is None


def test_no_such_backbone():
    with pytest.raises(InputError, match="no such backbone"):
        build(dataclasses.replace(SLIM, backbone="resnet"))


@pytest.mark.parametrize("coefficients", ["signed", "positive"])
def test_spatial_cells_are_places(coefficients):
    """Each cell of the grid is the mean of what the U-Net says at its place."""
    config = dataclasses.replace(CONFIGS["released, spatial"], coefficients=coefficients)
    network, variables = make_network(config), random_variables(config)
    copies = network.shrink(jnp.asarray(HAZY)[None])
    context = jax.jit(partial(network.apply, method="predict"))(variables, copies)
    predicted = jax.jit(
        partial(network.apply, method=lambda module, x: module.grid_network(x, train=False))
    )(variables, copies.proxy)
    predicted = np.asarray(predicted[0], np.float64)
    if coefficients == "positive":
        predicted = 1 / (1 + np.exp(-predicted))
    else:
        assert predicted.min() < 0
    side = config.proxy_size // config.grid_size
    for y, x in np.ndindex(config.grid_size, config.grid_size):
        block = predicted[y * side : (y + 1) * side, x * side : (x + 1) * side]
        expected = block.mean(axis=(0, 1)).reshape(config.grid_depth, 12)
        np.testing.assert_allclose(context.grid[0, y, x], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["slim", "released"])
def test_an_exported_program_restores_the_same(name):
    config = CONFIGS[name]
    restorer = restoring.Restorer(build(config), random_variables(config))
    exported = restoring.export_restorer(restorer, height=23, width=19, platforms=["cpu"])
    reloaded = export.deserialize(exported.serialize())
    np.testing.assert_allclose(reloaded.call(HAZY), restorer(HAZY), atol=2e-6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", ["slim", "released"])
def test_variables_stay_in_single_precision(name):
    method = build(CONFIGS[name])
    shapes = jax.eval_shape(method.init, jax.random.key(0), {})
    assert {leaf.dtype.name for leaf in jax.tree.leaves(shapes)} == {"float32"}


def test_a_run_with_running_statistics_goes_on_where_it_stopped(tmp_path, monkeypatch):
    toy = load_script("training/toy_method.py")
    monkeypatch.setattr(data, "train_batches", toy.batches)
    monkeypatch.setattr(data, "fingerprint", toy.fingerprint)
    monkeypatch.setattr(data, "training_size", toy.training_size)
    # Weights of a run with another objective are taken.
    method = dataclasses.replace(
        CONFIGS["slim, convolutions"], width=2, backbone="residual", grid_depth=2
    )
    storage.save_weights(
        tmp_path / "weights", random_variables(method), storage.config_to_dict(method), {}
    )
    config = training.TrainConfig(
        method=dataclasses.replace(method, objective=BilateralObjectiveConfig(ssim_weight=0.0)),
        data=data.DataConfig(train=("somewhere",), batch_size=4, crop_size=16),
        workdir=str(tmp_path / "whole"),
        init_from=str(tmp_path / "weights"),
        steps=3,
        validation_pictures=0,
    )
    quiet = Console(quiet=True)
    whole = training.train(config, console=quiet).state
    halves = dataclasses.replace(config, workdir=str(tmp_path / "halves"))
    training.train(dataclasses.replace(halves, stop_after=2), console=quiet)
    for ours, theirs in zip(
        jax.tree.leaves(training.train(halves, console=quiet).state),
        jax.tree.leaves(whole),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
