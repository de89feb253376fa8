"""The package as a whole: what importing it costs, what is public, how it is called."""

import ast
import importlib
import inspect
import pathlib
import pkgutil
import subprocess
import sys

import pytest

import dehaze_jax

ROOT = pathlib.Path(dehaze_jax.__file__).parent
MODULES = sorted(module.name for module in pkgutil.walk_packages([str(ROOT)], prefix="dehaze_jax."))
STUBS = sorted(ROOT.rglob("__init__.pyi"))


def package_of(stub):
    return ".".join(("dehaze_jax", *stub.parent.relative_to(ROOT).parts))


def public_names(stub):
    """Name and defining module, as the stub has them."""
    for node in ast.parse(stub.read_text()).body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.name == alias.asname, f"{stub}: not `{alias.name} as {alias.name}`"
            yield alias.name, node.module


PUBLIC = [
    pytest.param(package_of(stub), name, module, id=f"{package_of(stub)}.{name}")
    for stub in STUBS
    for name, module in public_names(stub)
]


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", MODULES)
def test_module_imports(name):
    assert importlib.import_module(name).__doc__, "a module says what it is for"


@pytest.mark.parametrize(
    "code",
    [
        "import dehaze_jax",
        "import dehaze_jax.image; dehaze_jax.image.read",
        "import dehaze_jax.data; dehaze_jax.data.DataConfig",
        "import dehaze_jax.methods; dehaze_jax.methods.DehazeFlowConfig",
    ],
)
def test_loader_workers_and_configs_never_start_jax(code):
    done = run_python(f"import sys; {code}; assert 'jax' not in sys.modules")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("package", "name", "module"), PUBLIC)
def test_public_name_resolves(package, name, module):
    value = getattr(importlib.import_module(package), name)
    if module is None:  # a sub-package
        assert inspect.ismodule(value)
        return
    source = importlib.import_module(f"{package}.{module}")
    assert value is getattr(source, name)
    if inspect.isfunction(value) or inspect.isclass(value):
        assert inspect.getdoc(value)


@pytest.mark.parametrize("stub", STUBS, ids=package_of)
def test_no_file_hides_a_public_name(stub):
    """Lazy loading would hand out the module in place of the function."""
    files = {path.stem for path in stub.parent.glob("*.py")}
    files |= {path.name for path in stub.parent.iterdir() if path.is_dir()}
    names = {name for name, module in public_names(stub) if module is not None}
    assert not files & names


@pytest.mark.parametrize(("package", "name", "module"), PUBLIC)
def test_options_are_keyword_only(package, name, module):
    """One argument that may be left out can be positional, not more."""
    value = getattr(importlib.import_module(package), name)
    if not inspect.isfunction(value):
        return
    positional = [
        parameter.name
        for parameter in inspect.signature(value).parameters.values()
        if parameter.kind is not parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
    ]
    assert len(positional) <= 1


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 320
