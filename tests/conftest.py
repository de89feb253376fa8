"""Session set-up: four simulated devices, quick compiling, strict promotion, a key fixture.

The package must not be imported here: jaxtyping's import hook is installed after this file is read.
"""

import importlib.metadata
import os
import pathlib

# Most of the time goes into compiling, and most of that into machine code: it is made quickly, not
# to be quick. XLA's own passes (fusion, layouts, sharding) are as ever. Flags from outside win.
os.environ["XLA_FLAGS"] = " ".join(
    (
        "--xla_backend_optimization_level=0",
        # Later ones do not know this flag, and end.
        "--xla_cpu_use_fusion_emitters=false"
        if importlib.metadata.version("jaxlib").startswith("0.10.")
        else "",
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=4",
    )
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")

import jax
import numpy as np
import pytest
import safetensors.numpy
from jax.experimental.compilation_cache import compilation_cache
from scripts import load_script

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

REPOSITORY = pathlib.Path(__file__).parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture(scope="session")
def lpips_files(tmp_path_factory):
    """Drawn weights of LPIPS: those of AlexNet, and the linear ones."""
    twin = load_script("twins/lpips_alex.py")
    folder = tmp_path_factory.mktemp("lpips")
    alexnet, linear = twin.weights()
    alexnet["classifier.1.bias"] = np.zeros(3, np.float32)  # of no use for it
    for name, tensors in (("alexnet", alexnet), ("alex", linear)):
        safetensors.numpy.save_file(tensors, folder / f"{name}.safetensors")
    return folder / "alexnet.safetensors", folder / "alex.safetensors"


@pytest.fixture(scope="module", autouse=True)
def _bounded_memory():
    """Compiled programs of one file are of no use to the next, and take gigabytes in all."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="module")
def compile_once(tmp_path_factory):
    """Equal programs of one file are compiled once, also for functions made anew."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    for name, value in zip(names, (str(tmp_path_factory.mktemp("compiled")), 0.0), strict=True):
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture
def x64():
    """64-bit arithmetic for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def shared_data() -> pathlib.Path:
    """The folder of real images; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real images are not on this machine (../shared/data)")
    return SHARED_DATA


def pytest_collection_modifyitems(items):
    if jax.default_backend() != "gpu":
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a GPU"))
