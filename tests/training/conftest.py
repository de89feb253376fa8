import pytest


@pytest.fixture(autouse=True, scope="module")
def _compile_once(compile_once):
    """Every test trains anew."""


@pytest.fixture
def toy(monkeypatch):
    """The toy method and its data in place of the real ones."""
    # Imported late: see the session's conftest.py.
    import toy_method

    for module, name, value in toy_method.PARTS:
        monkeypatch.setattr(module, name, value, raising=False)
    return toy_method
