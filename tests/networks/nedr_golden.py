"""Compares modules with the golden arrays of `tests/twins/nedr_modules.py`."""

import pathlib

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from scripts import load_script

GOLDEN = pathlib.Path(__file__).parent / "golden" / "nedr_modules.npz"
# In x64, against arrays that were rounded to float32.
CLOSE = {"rtol": 2e-6, "atol": 2e-6}


def twin():
    """The script that wrote the golden arrays."""
    return load_script("twins/nedr_modules.py")


def cases(module):
    return [case for case, (name, *_) in twin().CASES.items() if name == module]


def results(case, train):
    with np.load(GOLDEN) as golden:
        prefix = f"{case}/{train}/"
        return {
            name.removeprefix(prefix): golden[name] for name in golden if name.startswith(prefix)
        }


def as_tree(tensors):
    return flax.traverse_util.unflatten_dict(jax.tree.map(jnp.asarray, tensors), sep="/")


def as_tensors(tree):
    return flax.traverse_util.flatten_dict(tree, sep="/")


def drawn(module, *args, **options):
    """Variables of a module: random parameters, all others one; quicker than `init`."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *args, **options))

    def draw(leaf):
        bound = max(np.prod(leaf.shape[:-1]), 4) ** -0.5
        return jnp.asarray(rng.uniform(-bound, bound, leaf.shape), leaf.dtype)

    ones = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), shapes)
    return {**ones, "params": jax.tree.map(draw, shapes["params"])}


def compare(apply, case, train, *, collection=None, tolerance=CLOSE):
    """Output, what is kept in `collection` after it, and gradients if `train`; needs x64.

    Args:
        apply: from variables and input to the output, and what changed if there is a collection.
    """
    script = twin()
    params, kept = as_tree(script.weights(case)), as_tree(script.state(case))
    x, theirs = jnp.asarray(script.picture(case)), results(case, train)
    variables = {} if collection is None else {collection: kept}

    def call(params, x):
        out = apply({"params": params, **variables}, x)
        return (out, {}) if collection is None else out

    if not train:
        ours, changed = jax.jit(call)(params, x)
        np.testing.assert_allclose(ours, theirs["out"], **tolerance)
        jax.tree.map(np.testing.assert_array_equal, changed, variables)
        return
    cotangents = jnp.asarray(script.cotangents(case, theirs["out"].shape))

    @jax.jit
    def differentiate(params, x):
        ours, pull, changed = jax.vjp(call, params, x, has_aux=True)
        return ours, changed, *pull(cotangents)

    ours, changed, d_params, d_x = differentiate(params, x)
    found = {"out": ours, "d_x": d_x}
    found |= {f"d/{name}": value for name, value in as_tensors(d_params).items()}
    if collection is not None:
        found |= {f"new/{name}": value for name, value in as_tensors(changed[collection]).items()}
    assert set(found) == set(theirs)
    for name, value in theirs.items():
        np.testing.assert_allclose(found[name], value, **tolerance, err_msg=name)


def check_golden(case):
    """The golden arrays against PyTorch, where it is installed."""
    for train in (False, True):
        golden = results(case, train)
        theirs = twin().solve(case, train)
        assert set(theirs) == set(golden)
        for name, value in theirs.items():
            np.testing.assert_allclose(value, golden[name], **CLOSE, err_msg=name)
