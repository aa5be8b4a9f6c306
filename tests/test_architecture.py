"""The arrows of docs/architecture.md: each room imports only from rooms further down."""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [
    "profl_ray.cli",
    "analysis",
    "tune_spaces",
    "profl_ray.testing",
    "profl_ray.doctor",
    "profl_ray.launch",
    "profl_ray.tuning",
    "profl_ray.run",
    "profl_ray.fleet",
    "profl_ray.cluster",
    "profl_ray.tracking",
    "profl_ray.figures",
    "profl_ray.server",
    "profl_ray.config",
    "profl_ray.strategies",
    "profl_ray.training",
    "profl_ray.memory",
    "profl_ray.freezing",
    "profl_ray.federation",
    "profl_ray.models",
    "profl_ray.sections",
    "profl_ray.facts",
    "profl_ray.names",
    "profl_ray.secrecy",
    "profl_ray.randomness",
    "profl_ray.provenance",
    "profl_ray.plugins",
    "profl_ray.texts",
    "profl_ray.errors",
    "profl_ray.signals",
    "profl_ray.sizes",
]
RAY_ROOMS = [f"profl_ray.{room}" for room in ("launch", "tuning", "run", "fleet", "cluster")]
RAY_MODULES = {
    *(f"profl_ray.fleet.{name}" for name in ("client_actor", "crew", "ray_fleet")),
    "profl_ray.run.driver_actor",
    *(f"profl_ray.tuning.{name}" for name in ("generators", "halving", "search", "trial", "tuner", "view")),
}
"""They import Ray as they are imported, so they are only imported when the environment is right."""
SOURCES = sorted(
    path
    for folder in ("profl_ray", "analysis", "tune_spaces")
    for path in (ROOT / folder).rglob("*.py")
    if path.name != "__main__.py"
)


def module_of(path: Path) -> str:
    """Return the name of the module in a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


OURS = ("profl_ray", "analysis", "tune_spaces")
MODULES = {module_of(path): path for path in SOURCES}


def module_file(name: str) -> str:
    """Return the module in which a dotted name of ours is defined; the name itself if it is none of ours."""
    return name if name in MODULES else name.rpartition(".")[0]


def named_by(path: Path) -> set[str]:
    """Return the dotted names that a file imports, in functions and for type checking too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {
        f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def room_of(module: str) -> str | None:
    """Return the room that a module lies in; None for what is not ours."""
    return next((room for room in ROOMS if module == room or module.startswith(f"{room}.")), None)


def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports, inside functions and for type checking too."""
    return modules_in(ast.walk(ast.parse(path.read_text())), path)


def imports_on_import(path: Path) -> set[str]:
    """Return the modules that a file imports when it is imported itself."""
    return modules_in(ast.parse(path.read_text()).body, path)


def modules_in(nodes: Iterable[ast.AST], path: Path) -> set[str]:
    """Return the modules that these statements import."""
    modules = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            modules.add(node.module)
    return modules


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    room = room_of(module_of(path))
    for module in imports_of(path):
        other = room_of(module)
        if room is not None and other is not None and other != room:
            assert ROOMS.index(other) > ROOMS.index(room), f"{room} imports {module}, which lies above it"
        package = module.partition(".")[0]
        if package == "ray":
            assert room in RAY_ROOMS, f"{room} imports ray"
        if package == "pytest":
            assert room == "profl_ray.testing", f"{room} imports pytest, which users need not have"
        if package == "mlflow":
            assert room == "profl_ray.tracking", f"{room} imports mlflow"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_ray_comes_with_the_modules_that_are_made_for_it_and_no_others(path):
    brings = {m for m in imports_on_import(path) if m.partition(".")[0] == "ray" or m in RAY_MODULES}
    assert bool(brings) == (module_of(path) in RAY_MODULES), f"import {brings} inside functions"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_names_stay_in_their_module(path):
    tree = ast.parse(path.read_text())
    taken = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in OURS
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    modules = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if f"{node.module}.{alias.name}" in MODULES
    }
    taken += [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
        if node.attr.startswith("_") and not node.attr.startswith("__")
    ]
    assert taken == []


def test_no_modules_import_each_other_in_a_circle():
    """Nor inside functions, nor for type checking: what goes in a circle cannot be read from its end."""
    graph = {module: {*map(module_file, named_by(path))} & {*MODULES} for module, path in MODULES.items()}
    assert graph["profl_ray.cli.main"] >= {"profl_ray.signals", "profl_ray.cli.app"}
    while ends := {module for module, others in graph.items() if not others - {module}}:
        graph = {module: others - ends for module, others in graph.items() if module not in ends}
    while starts := set(graph) - set().union(*graph.values()):
        graph = {module: others for module, others in graph.items() if module not in starts}
    assert not graph, f"in circles, or between two: {', '.join(sorted(graph))}"


def test_files_stay_small():
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}
    reasons = {"config/load.py": "one file for all that a user can write wrong"}
    long = {str(path.relative_to(ROOT)) for path, length in lengths.items() if length > 300}
    assert not {name for name in long if name.removeprefix("profl_ray/") not in reasons}
