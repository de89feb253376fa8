"""Solves on several devices, and solves that are exported to another process."""

import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from dehaze_jax import flow

ADAPTIVE = {"solver": "tsit5", "rtol": 1e-4, "atol": 1e-4}
TIMES = np.array([0.3, 0.5])


def velocity(t, x, params):
    return jnp.tanh(params * x) * (1 + 8 * t)


@pytest.mark.devices
@pytest.mark.parametrize(
    ("options", "collectives"),
    [
        ({}, ()),
        ({"grid": "cosine", "straightness": True}, ()),
        # The error of a shared step is a sum over all devices; one an image says when all are done.
        (ADAPTIVE, ("all-reduce",)),
        ({"per_sample": True, **ADAPTIVE}, ("all-reduce",)),
        # Whether diffrax's check of the times holds.
        ({"per_sample": True, "save_at": TIMES}, ("all-reduce",)),
    ],
    ids=lambda value: "-".join(value),
)
def test_a_sharded_batch_stays_sharded(options, collectives):
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    x0 = jnp.asarray(np.random.default_rng(0).uniform(size=(8, 6, 5, 3)), jnp.float32)
    sharded = jax.device_put(x0, NamedSharding(mesh, PartitionSpec("data")))
    solve = jax.jit(lambda x: flow.integrate(velocity, x, 0.7, **options))
    compiled = solve.lower(sharded).compile()
    kinds = ("all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter")
    assert {kind for kind in kinds if kind in compiled.as_text()} == set(collectives)
    x1, stats = compiled(sharded)
    batch_axis = (None,) if "save_at" in options else ()
    assert x1.sharding.spec == PartitionSpec(*batch_axis, "data")
    assert np.asarray(stats.ok).all()
    alone, alone_stats = solve(x0)
    np.testing.assert_allclose(x1, alone, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), stats, alone_stats)


def test_exported_solves_agree_in_a_fresh_process(tmp_path):
    x0 = jnp.linspace(-1, 1, 12).reshape(2, 2, 3)
    kinds = {
        "fixed": {},
        "grid": {"grid": "cosine"},
        "adaptive": ADAPTIVE,
        "per_sample": {"per_sample": True, **ADAPTIVE},
    }
    states = {}
    for name, options in kinds.items():
        solve = jax.jit(lambda x, options=options: flow.integrate(velocity, x, 0.7, **options)[0])
        (tmp_path / name).write_bytes(export.export(solve)(x0).serialize())
        states[name] = solve(x0)
    with_stats = jax.jit(lambda x: flow.integrate(velocity, x, 0.7))
    (tmp_path / "with_stats").write_bytes(export.export(with_stats)(x0).serialize())
    np.savez(tmp_path / "states.npz", x0=x0, **states)
    script = """
        import pathlib, sys
        import numpy as np
        from jax import export

        folder = pathlib.Path(sys.argv[1])
        states = dict(np.load(folder / "states.npz"))
        x0 = states.pop("x0")

        def load(name):
            return export.deserialize((folder / name).read_bytes()).call

        for name, x1 in states.items():
            np.testing.assert_allclose(load(name)(x0), x1, rtol=1e-6, atol=1e-6)
        assert not {"dehaze_jax", "diffrax"} & set(sys.modules)

        import dehaze_jax.flow.stats

        x1, stats = load("with_stats")(x0)
        assert (bool(stats.ok), int(stats.nfe), stats.straightness) == (True, 16, None)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
