"""The released network against its PyTorch twin, by weights of the same names."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from released_weights import (
    CASES,
    GRADIENTS,
    PUBLISHED,
    RUNNING,
    TRAINED,
    pictures,
    shapes,
    state_dict,
)
from scripts import load_script

from dehaze_jax.methods.bilateral.config import RELEASED
from dehaze_jax.methods.bilateral.published import import_published, places
from dehaze_jax.methods.bilateral.released import ReleasedNetwork
from dehaze_jax.storage import flatten

FOLDER = pathlib.Path(__file__).parent


def twin():
    """The script that wrote the golden arrays."""
    return load_script("twins/bilateral_released.py")


def sized(dimensions):
    """Configuration of a released network of these dimensions."""
    return dataclasses.replace(RELEASED, **dimensions)


def variables(dimensions):
    tensors = state_dict(shapes(dimensions["width"]))
    return import_published(tensors, source="twin", config=sized(dimensions)).variables


@pytest.fixture(scope="module")
def golden():
    with np.load(FOLDER / "golden" / "bilateral_released.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def trained():
    """What is restored by batch statistics, the running ones, and gradients."""
    dimensions, _ = CASES[TRAINED]
    network, weights = ReleasedNetwork(sized(dimensions)), variables(dimensions)
    hazy, cotangents = map(jnp.asarray, pictures(TRAINED))

    @jax.jit
    def run(params, hazy):
        def restore(params, hazy):
            return network.apply(
                {"params": params, "batch_stats": weights["batch_stats"]},
                hazy,
                train=True,
                mutable=["batch_stats"],
            )

        restored, pull, changed = jax.vjp(restore, params, hazy, has_aux=True)
        return restored, changed, *pull(cotangents)

    restored, changed, by_params, by_hazy = run(weights["params"], hazy)
    return restored, flatten(changed), flatten({"params": by_params}), by_hazy


@pytest.mark.parametrize("case", CASES)
def test_restored(case, golden):
    dimensions, _ = CASES[case]
    hazy, _ = pictures(case)
    restore = jax.jit(ReleasedNetwork(sized(dimensions)).apply)
    restored = restore(variables(dimensions), hazy)
    np.testing.assert_allclose(restored, golden[f"{case}/restored"], atol=3e-5)


def test_restored_by_batch_statistics(golden, trained):
    np.testing.assert_allclose(trained[0], golden["trained/restored"], atol=1e-4)


@pytest.mark.parametrize("name", RUNNING)
def test_running_statistics(name, golden, trained):
    path, layout = places()[name]
    theirs = layout.convert(golden[f"running/{name}"])
    np.testing.assert_allclose(trained[1][path], theirs, atol=1e-5)


def test_gradient_of_the_picture(golden, trained):
    theirs = golden["gradient/hazy"]
    np.testing.assert_allclose(trained[3], theirs, atol=3e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient(name, golden, trained):
    path, layout = places()[name]
    theirs = layout.convert(golden[f"gradient/{name}"])
    np.testing.assert_allclose(trained[2][path], theirs, atol=3e-4 * np.abs(theirs).max())


def test_size():
    assert sized(PUBLISHED) == RELEASED
    tree = jax.eval_shape(
        ReleasedNetwork(RELEASED).init, jax.random.key(0), jnp.zeros((1, 9, 9, 3))
    )
    sizes = {part: sum(leaf.size for leaf in flatten(tree[part]).values()) for part in tree}
    counters = sum(name.endswith("num_batches_tracked") for name in shapes(64))
    # Published are also a slope that is used nowhere and what counts training steps.
    assert sizes == {"params": 34_547_655 - 1, "batch_stats": 17_898 - counters}


@pytest.mark.parametrize("case", CASES)
def test_golden_arrays_are_what_torch_gives(case, golden):
    pytest.importorskip("torch")
    for name, theirs in twin().solve(case).items():
        np.testing.assert_allclose(
            golden[name], theirs, rtol=1e-6, atol=1e-6 * np.abs(theirs).max(), err_msg=name
        )


def test_the_twin_has_the_published_names_and_size():
    pytest.importorskip("torch")
    network = twin().Released()
    theirs = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert theirs == shapes(PUBLISHED["width"])
    assert sum(parameter.numel() for parameter in network.parameters()) == 34_547_655
