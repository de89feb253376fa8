import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache


@pytest.fixture(autouse=True, scope="module")
def _compile_once(tmp_path_factory):
    """Every test trains anew; equal programs are compiled once."""
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
def toy(monkeypatch):
    """The toy method and its data in place of the real ones."""
    # Imported late: see the session's conftest.py.
    import toy_method

    for module, name, value in toy_method.PARTS:
        monkeypatch.setattr(module, name, value, raising=False)
    return toy_method
