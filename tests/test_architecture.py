"""The architecture, as law."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "trivium"
ORDER = (
    "cache identity compiling catalog precision files moments numerics activations properties losses targets "
    "optimizers schedules initializers network heads peers translations cards scheduling choices presets candidates "
    "ensembles tables training relevance levels nearby diagnosis lessons report lab storage callbacks outcomes export "
    "estimators search session cli"
).split()
"""A module imports only what stands before it."""

every_file = pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
every_catalog = pytest.mark.parametrize("catalog", [SOURCE / name for name in ("activations", "losses", "optimizers")])


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@every_file
def test_a_file_holds_one_idea(path):
    assert len(path.read_text().splitlines()) <= 400


@every_file
def test_imports_point_one_way(path):
    if room(path) in ("__init__", "__main__"):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "trivium":
            parts = (node.module or "").split(".")
            for name in parts[1:2] or [alias.name for alias in node.names]:
                if name != room(path):
                    assert ORDER.index(name) < ORDER.index(room(path)), f"{room(path)} imports {name}"


@every_file
def test_no_compiled_program_calls_back(path):
    """Where a process has one core, the callback waits for the thread that waits for it (JAX's issue 24255)."""
    attributes = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not attributes & {"pure_callback", "io_callback"}


def test_every_room_has_its_place_in_the_order():
    rooms = {room(path) for path in SOURCE.rglob("*.py")} - {"__init__", "__main__"}
    assert rooms <= set(ORDER)


@every_catalog
def test_every_file_of_a_catalog_is_exported_and_no_name_stands_twice(catalog):
    files = {path.stem: path for path in catalog.glob("[!_]*.py")}
    tree = ast.parse((catalog / "__init__.py").read_text())
    stars = {n.module for n in tree.body if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"}
    assert stars == set(files)
    names = [
        f.name for path in files.values() for f in ast.parse(path.read_text()).body if isinstance(f, ast.FunctionDef)
    ]
    public = [name for name in names if not name.startswith("_")]
    assert len(public) == len(set(public))
