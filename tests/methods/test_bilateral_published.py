"""Published weights of the bilateral network: where each tensor goes, and what is refused."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from released_weights import POOLED, shapes, state_dict

from dehaze_jax import methods
from dehaze_jax.errors import InputError
from dehaze_jax.methods.bilateral.config import RELEASED
from dehaze_jax.methods.bilateral.published import import_published, places
from dehaze_jax.methods.bilateral.released import ReleasedNetwork
from dehaze_jax.storage import flatten

CONFIG = dataclasses.replace(RELEASED, **POOLED)
TENSORS = state_dict(shapes(CONFIG.width))
FIRST = "u_net.inc.double_conv.0.weight"


def taken(tensors):
    return import_published(tensors, source="model.pt", config=CONFIG)


@pytest.fixture(scope="module")
def imported():
    return taken(TENSORS)


def test_the_axes_of_the_published_grid(imported):
    """grid[k, z, y, x] = q[k // 4, (k % 4) depth + z, y size + x], where q is pooled by rows."""
    network = ReleasedNetwork(CONFIG)
    hazy = jnp.asarray(np.random.default_rng(0).uniform(size=(1, 24, 40, 3)), jnp.float32)

    @jax.jit
    def run(variables):
        copies = network.shrink(hazy)
        grid = network.apply(variables, copies, method="predict").grid
        return grid, network.apply(
            variables,
            copies.proxy,
            method=lambda module, proxy: module.grid_network(proxy, train=False),
        )

    grid, predicted = run(imported.variables)
    size, depth, rows = CONFIG.grid_size, CONFIG.grid_depth, 4 * CONFIG.grid_depth
    squashed = 1 / (1 + np.exp(-np.asarray(predicted[0], float)))
    q = squashed.reshape(rows, -1, size**2, 3).mean(axis=1)
    assert grid.shape == (1, size, size, depth, 12)
    for k, z, y, x in np.ndindex(12, depth, size, size):
        theirs = q[(k % 4) * depth + z, y * size + x, k // 4]
        np.testing.assert_allclose(grid[0, y, x, z, k], theirs, rtol=1e-5)


def test_every_variable_has_one_published_tensor(imported):
    pictures = jax.ShapeDtypeStruct((1, 9, 9, 3), jnp.float32)
    tree = jax.eval_shape(ReleasedNetwork(CONFIG).init, jax.random.key(0), pictures)
    expected = {path: (leaf.shape, leaf.dtype) for path, leaf in flatten(tree).items()}
    flat = flatten(imported.variables)
    assert {path: (leaf.shape, leaf.dtype) for path, leaf in flat.items()} == expected
    paths = [place.path for place in places().values()]
    assert sorted(paths) == sorted(expected)


@pytest.mark.parametrize(
    ("name", "path", "axes"),
    [
        (FIRST, "params/grid_network/inc/conv1/kernel", (2, 3, 1, 0)),
        (
            "u_net.down3.maxpool_conv.1.double_conv.4.running_var",
            "batch_stats/grid_network/down3/norm2/var",
            (0,),
        ),
        (
            "u_net_mini.up2.conv.double_conv.1.weight",
            "params/feature_network/up2/norm1/scale",
            (0,),
        ),
        ("u_net_mini.pre.bias", "params/feature_network/head/bias", (0,)),
        ("guide_g.conv2.bn.running_mean", "batch_stats/guides/green/norm2/mean", (0,)),
        ("guide_b.conv3.conv.weight", "params/guides/blue/conv3/kernel", (2, 3, 1, 0)),
        ("x_r_fusion.2.weight", "params/refine/conv2/kernel", (2, 3, 1, 0)),
        ("b_point.bias", "params/point_b/bias", (0,)),
    ],
)
def test_where_tensors_go(imported, name, path, axes):
    ours = flatten(imported.variables)[path]
    np.testing.assert_array_equal(ours, TENSORS[name].transpose(axes))


def test_a_slope_is_a_scalar(imported):
    ours = imported.variables["params"]["guides"]["red"]["prelu1"]["negative_slope"]
    assert ours.shape == ()
    assert ours == TENSORS["guide_r.conv1.activation.weight"][0]


def test_what_was_used_and_what_is_left_over():
    imported = taken({**TENSORS, "head.extra": np.zeros((2, 3), np.float32)})
    assert imported.config == CONFIG
    left_over = {name: (shape, reason) for name, shape, reason in imported.left_over}
    assert left_over.pop("smooth.weight") == ((1,), "published, but used nowhere")
    assert left_over.pop("head.extra") == ((2, 3), "unknown to the method")
    assert left_over == {
        name: ((), "counts training steps, no weight")
        for name in TENSORS
        if name.endswith("num_batches_tracked")
    }
    used = {name: shape for name, _, shape in imported.used}
    assert used == {
        name: tensor.shape
        for name, tensor in TENSORS.items()
        if name != "smooth.weight" and name not in left_over
    }
    assert (FIRST, "params/grid_network/inc/conv1/kernel", (4, 3, 3, 3)) in imported.used


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_precisions_become_float32(dtype):
    imported = taken({name: tensor.astype(dtype) for name, tensor in TENSORS.items()})
    for name, path, _ in imported.used:
        ours = flatten(imported.variables)[path]
        assert ours.dtype == np.float32
        if name.endswith("bias"):
            np.testing.assert_array_equal(ours, TENSORS[name].astype(dtype).astype(np.float32))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"u_net.up1.conv.double_conv.3.bias": None},
            "u_net.up1.conv.double_conv.3.bias is missing",
        ),
        ({FIRST: None, "p.weight": None}, f"{FIRST} is missing"),
        (
            {FIRST: np.zeros((8, 3, 3, 3))},
            f"{FIRST} has shape (8, 3, 3, 3), expected (4, 3, 3, 3)",
        ),
        ({FIRST: np.zeros((3, 3, 3, 4))}, f"{FIRST} has shape (3, 3, 3, 4), expected (4, 3, 3, 3)"),
        ({"p.weight": np.zeros(3)}, "p.weight has shape (3,), expected (1,)"),
        ({"p.weight": np.zeros(())}, "p.weight has shape (), expected (1,)"),
        ({"u_net.pre.bias": np.zeros(4)}, "u_net.pre.bias has shape (4,), expected (3,)"),
    ],
)
def test_tensors_of_another_model_are_refused(change, reason):
    changed = {**TENSORS, **change}
    tensors = {name: tensor for name, tensor in changed.items() if tensor is not None}
    with pytest.raises(
        InputError, match=f"^model.pt: belongs to another model: {re.escape(reason)}$"
    ):
        taken(tensors)


def test_another_architecture_is_refused():
    with pytest.raises(InputError, match=f"^model.pt: .*{re.escape(FIRST)} is missing$"):
        taken({"conv1.weight": np.zeros((64, 3, 7, 7)), "fc.bias": np.zeros(10)})


def test_a_published_network_of_another_width_is_refused():
    with pytest.raises(InputError, match=r"has shape \(4, 3, 3, 3\), expected \(64, 3, 3, 3\)$"):
        import_published(TENSORS, source="model.pt")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_of_a_run_that_diverged_are_refused(value):
    broken = TENSORS["u_net_mini.pre.weight"].copy()
    broken[1, 2, 0, 1] = value
    with pytest.raises(InputError, match=r"^model.pt: u_net_mini.pre.weight has values that are"):
        taken({**TENSORS, "u_net_mini.pre.weight": broken})


def test_the_table_has_it():
    assert methods.METHODS["bilateral"].import_published is import_published
    assert methods.METHODS["dehazeflow"].import_published is None
