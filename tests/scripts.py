"""Loads scripts of the tests that are no test modules."""

import importlib.util
import pathlib
import types

TESTS = pathlib.Path(__file__).parent


def load_script(name: str) -> types.ModuleType:
    """The module at a path below `tests`."""
    path = TESTS / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
