"""Methods small enough to follow by hand: a pointwise one, one that reaches two rows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest


def _summarise(variables, hazy, options):
    """Mean colour of the picture, and the number of steps."""
    return {"mean": hazy.mean(axis=(-3, -2)), "steps": jnp.float32(options.num_steps)}


def _pointwise(variables, context, rows, where):
    """Colours drawn towards the mean, and darker towards the bottom of the picture."""
    mean = context["mean"][..., None, None, :]
    position = (where.start + jnp.arange(rows.shape[-3])).astype(jnp.float32)
    shade = jnp.clip(position / where.height.astype(jnp.float32), 0, 1)[:, None, None]
    mixed = jnp.broadcast_to(mean, rows.shape) * 0.25 + rows * variables["gain"]
    return mixed * (1 - 0.1 * jnp.broadcast_to(shade, rows.shape))


def _blurred(variables, context, rows, where):
    """`_pointwise` of the mean of five rows; what the outermost rows hold is not to be used."""
    padded = jnp.pad(rows, [(0, 0)] * (rows.ndim - 3) + [(2, 2), (0, 0), (0, 0)])
    count = rows.shape[-3]
    blurred = sum(padded[..., i : i + count, :, :] for i in range(5)) / 5
    return _pointwise(variables, context, blurred, where)


@pytest.fixture(params=["pointwise", "blurred"])
def method(request):
    from dehaze_jax.methods.protocol import Method

    def untrained(*_):
        raise AssertionError("restoring does not train")

    plain = Method(
        name="toy",
        init=untrained,
        start=untrained,
        train_step=untrained,
        summarise=_summarise,
        render=_pointwise,
    )
    if request.param == "pointwise":
        return plain
    return dataclasses.replace(plain, render=_blurred, halo=2)


def _find_maps(context, rows, where):
    """Depth by brightness and row, and what goes with it."""
    from dehaze_jax.methods import Maps

    position = (where.start + jnp.arange(rows.shape[-3])).astype(jnp.float32)
    down = 1 + jnp.clip(position / where.height.astype(jnp.float32), 0, 1)[:, None]
    depth = rows.mean(axis=-1) * jnp.broadcast_to(down, rows.shape[:-1])
    density = 0.1 * context["steps"]
    return Maps(
        planes={"transmission": jnp.exp(-density * depth), "depth": depth},
        values={"airlight": context["mean"], "density": density},
    )


def _find_blurred_maps(context, rows, where):
    """`_find_maps` of the mean of five rows."""
    padded = jnp.pad(rows, [(0, 0)] * (rows.ndim - 3) + [(2, 2), (0, 0), (0, 0)])
    count = rows.shape[-3]
    return _find_maps(context, sum(padded[..., i : i + count, :, :] for i in range(5)) / 5, where)


@pytest.fixture
def mapping(method):
    """The same method, but it finds maps too."""
    return dataclasses.replace(method, maps=_find_blurred_maps if method.halo else _find_maps)


@pytest.fixture
def maps_twin(method):
    """Maps of a whole [h, w, 3] float picture in NumPy float64, after four steps."""

    def find(image):
        image = image.astype(np.float64)
        height = len(image)
        airlight = image.mean(axis=(0, 1))
        if method.halo:
            padded = np.pad(image, [(2, 2), (0, 0), (0, 0)], mode="edge")
            image = np.mean([padded[i : i + height] for i in range(5)], axis=0)
        depth = image.mean(axis=-1) * (1 + np.arange(height) / height)[:, None]
        planes = {"transmission": np.exp(-0.4 * depth), "depth": depth}
        return planes, {"airlight": airlight, "density": np.array(0.4)}

    return find


@pytest.fixture
def variables():
    return {"gain": jnp.float32(0.7)}


@pytest.fixture
def twin(method):
    """The same restoration of a whole [h, w, 3] float picture in NumPy float64."""

    def restore(image):
        image = image.astype(np.float64)
        height = len(image)
        mean = image.mean(axis=(0, 1))
        if method.halo:
            padded = np.pad(image, [(2, 2), (0, 0), (0, 0)], mode="edge")
            image = np.mean([padded[i : i + height] for i in range(5)], axis=0)
        shade = (np.arange(height) / height)[:, None, None]
        return np.clip((mean * 0.25 + image * 0.7) * (1 - 0.1 * shade), 0, 1)

    return restore


@pytest.fixture
def flow_config():
    """The smallest flow."""
    from dehaze_jax import methods

    return methods.DehazeFlowConfig(proxy_size=16, grid_size=2, grid_depth=2, width=4, lut_size=3)


@pytest.fixture
def flow_variables(flow_config):
    """Noise in place of a trained network."""
    from dehaze_jax import methods

    pictures = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    shapes = jax.eval_shape(
        methods.build(flow_config).init, jax.random.key(0), {"hazy": pictures, "clear": pictures}
    )
    random = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(random.normal(0, 0.2, leaf.shape), jnp.float32), shapes
    )


@pytest.fixture
def weights(tmp_path, flow_config, flow_variables):
    """A folder of weights of the smallest flow."""
    from dehaze_jax import storage

    folder = tmp_path / "weights"
    config = storage.config_to_dict(flow_config)
    storage.save_weights(folder, flow_variables, config, {"terms": "for tests"})
    return folder
