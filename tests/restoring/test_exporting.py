"""An exported restorer, called in a process that knows nothing of this package."""

import subprocess
import sys

import numpy as np
import pytest

from dehaze_jax import restoring
from dehaze_jax.errors import InputError

# Without the package: a stand-in that refuses to be imported.
CALL = """
import sys
sys.modules["dehaze_jax"] = None
import jax, numpy as np
program = jax.export.deserialize(open(sys.argv[1], "rb").read())
np.save(sys.argv[3], program.call(np.load(sys.argv[2])))
"""


@pytest.fixture
def restorer(method, variables):
    return restoring.Restorer(method, variables)


def picture(dtype):
    values = np.random.default_rng(0).random((23, 31, 3))
    return values.astype(np.float32) if dtype == "float32" else (values * 255).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "uint16"])
def test_reloads_in_a_fresh_process(restorer, tmp_path, dtype):
    exported = restoring.export_restorer(
        restorer, height=23, width=31, dtype=dtype, platforms=("cpu",)
    )
    program, given, taken = (tmp_path / name for name in ("program", "given.npy", "taken.npy"))
    program.write_bytes(exported.serialize())
    hazy = picture(dtype)
    np.save(given, hazy)
    subprocess.run([sys.executable, "-c", CALL, program, given, taken], check=True, timeout=120)
    restored = np.load(taken)
    assert restored.dtype == hazy.dtype
    tolerance = 1e-6 if dtype == "float32" else 1  # one level at a tie of the rounding
    np.testing.assert_allclose(restored.astype(float), restorer(hazy), rtol=0, atol=tolerance)


@pytest.mark.parametrize("baked", [None, "local"])
def test_a_trained_flow(tmp_path, weights, baked):
    """Networks, solver, grids and table; baked, also the fit."""
    restorer = restoring.load(weights, solver="rk4", steps=2, baked=baked)
    hazy = np.random.default_rng(0).random((40, 50, 3), np.float32)
    exported = restoring.export_restorer(restorer, height=40, width=50, platforms=("cpu",))
    program, given, taken = (tmp_path / name for name in ("program", "given.npy", "taken.npy"))
    program.write_bytes(exported.serialize())
    np.save(given, hazy)
    subprocess.run([sys.executable, "-c", CALL, program, given, taken], check=True, timeout=120)
    restored = np.load(taken)
    assert np.abs(restored - hazy).max() > 0.01
    np.testing.assert_allclose(restored, restorer(hazy), atol=1e-5 if baked else 1e-6)


def test_one_program_for_all_platforms(restorer):
    exported = restoring.export_restorer(restorer, height=4, width=4)
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 0}, "size: must be at least 1 x 1, not 0 x 4"),
        ({"dtype": "int32"}, "dtype: must be one of float32, uint8, uint16, not int32"),
        ({"platforms": ()}, "platforms: must be among cpu, cuda, tpu"),
        ({"platforms": ("metal",)}, "platforms: must be among cpu, cuda, tpu"),
    ],
)
def test_refusals(restorer, arguments, message):
    with pytest.raises(InputError, match=message):
        restoring.export_restorer(restorer, **{"height": 4, "width": 4, **arguments})
