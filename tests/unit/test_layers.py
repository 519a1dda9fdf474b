"""The arrows of import point down, and heavy packages are imported late."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fastalliance"

# Higher layers may import lower ones; packages of one row do not import each other.
LAYERS = [
    {"__main__"},
    {"cli"},
    {"bench", "export"},
    {"study", "plotting"},
    {"analysis", "executors", "store", "configuration"},
    {"engine"},
    {"library"},
    {"kernels", "parameters", "outputs", "networks"},
    {"errors", "faults", "limits"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "fastalliance":
                found.update(f"fastalliance.{alias.name}" for alias in node.names)
            else:
                found.add(node.module)
    return found


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.parent != PACKAGE or path.name != "__init__.py"
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports__point_down(path: Path) -> None:
    own = _layer(path)
    assert own in LEVEL, f"{own} has no place in the layers"
    for module in _imports(path):
        if module.startswith("fastalliance."):
            other = module.split(".")[1]
            if other in LEVEL and other != own:
                assert LEVEL[other] > LEVEL[own], f"{path.name} imports {module}"


@pytest.mark.parametrize("layer", ["kernels", "library"])
def test_imports__kernels_and_models_need_numpy_and_numba_only(layer: str) -> None:
    allowed = {"numpy", "numba", "llvmlite", "fastalliance"} | set(sys.stdlib_module_names)
    for path in (PACKAGE / layer).rglob("*.py"):
        outside = {module.split(".")[0] for module in _imports(path)} - allowed
        assert not outside, f"{path.name} imports {outside}"


@pytest.mark.parametrize("layer", ["plotting", "analysis"])
def test_imports__pictures_and_analysis_see_datasets_only(layer: str) -> None:
    for path in (PACKAGE / layer).rglob("*.py"):
        own = {m.split(".")[1] for m in _imports(path) if m.startswith("fastalliance.")}
        assert own <= {layer, "errors", "analysis"}, f"{path.name} imports {own}"


@pytest.mark.parametrize("module", ["fastalliance", "fastalliance.cli"])
def test_imports__are_lazy(module: str) -> None:
    code = f"import sys, {module}; print(*{{m.split('.')[0] for m in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {
        "numba",
        "numpy",
        "xarray",
        "zarr",
        "dask",
        "pydantic",
        "matplotlib",
        "scipy",
        "pandas",
    }
    assert not heavy & set(loaded)
