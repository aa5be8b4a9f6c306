"""The arrows of docs/architecture.md: each room imports only from rooms further down."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [
    "profl_ray.cli",
    "analysis",
    "tune_spaces",
    "profl_ray.doctor",
    "profl_ray.launch",
    "profl_ray.tuning",
    "profl_ray.run",
    "profl_ray.fleet",
    "profl_ray.cluster",
    "profl_ray.tracking",
    "profl_ray.figures",
    "profl_ray.server",
    "profl_ray.strategies",
    "profl_ray.training",
    "profl_ray.memory",
    "profl_ray.freezing",
    "profl_ray.federation",
    "profl_ray.models",
    "profl_ray.config",
    "profl_ray.facts",
    "profl_ray.secrecy",
    "profl_ray.randomness",
    "profl_ray.provenance",
    "profl_ray.errors",
    "profl_ray.signals",
]
RAY_ROOMS = {f"profl_ray.{room}" for room in ("launch", "tuning", "run", "fleet", "cluster")}
SOURCES = sorted(
    path
    for folder in ("profl_ray", "analysis", "tune_spaces")
    for path in (ROOT / folder).rglob("*.py")
    if path.name != "__main__.py"
)


def room_of(module: str) -> str | None:
    """Return the room that a module lies in; None for what is not ours."""
    return next((room for room in ROOMS if module == room or module.startswith(f"{room}.")), None)


def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports, inside functions and for type checking too."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            modules.add(node.module)
    return modules


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    room = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for module in imports_of(path):
        other = room_of(module)
        if room is not None and other is not None and other != room:
            assert ROOMS.index(other) > ROOMS.index(room), f"{room} imports {module}, which lies above it"
        package = module.partition(".")[0]
        if package == "ray":
            assert room in (
                "profl_ray.tuning",
                "profl_ray.run",
                "profl_ray.fleet",
                "profl_ray.cluster",
                "profl_ray.launch",
            ), f"{room} imports ray"
        if package == "mlflow":
            assert room == "profl_ray.tracking", f"{room} imports mlflow"


def test_rooms_that_import_ray_make_the_environment_right_first():
    for path in SOURCES:
        room = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        if room is not None and "ray" in {module.partition(".")[0] for module in imports_of(path)}:
            text = (ROOT / room.replace(".", "/") / "__init__.py").read_text()
            before, called, _ = text.partition("\nprepare_environment()")
            assert called, f"{room} imports ray, and does not prepare the environment"
            imports = [line for line in before.splitlines() if line.startswith(("import ", "from "))]
            assert imports == ["from profl_ray.cluster.environment import prepare_environment"], room


def test_files_stay_small():
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}
    reasons = {"config/load.py": "one file for all that a user can write wrong"}
    long = {str(path.relative_to(ROOT)) for path, length in lengths.items() if length > 300}
    assert not {name for name in long if name.removeprefix("profl_ray/") not in reasons}
