"""What a reference names: `FILE.py:NAME` or `package.module:NAME`, and the sources behind it."""

import ast
import re
import sys
import sysconfig
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

from profl_ray.errors import UserError
from profl_ray.plugins.source import Module, Plugin, digest
from profl_ray.texts import read_text, show

FORMS = "FILE.py:NAME or package.module:NAME"
OURS = ("profl_ray", "analysis", "tune_spaces")
MOST_BYTES = 16 * 2**20
"""Of a package's sources: they are sent to every process."""

PLUGINS: dict[str, Plugin] = {}
"""What is known in this process, by what names it: paths as they were given and absolute ones, packages."""
_ARRIVED: set[str] = set()
"""What of it travelled here: its file is not read."""
_COPIES: dict[str, Path] = {}
"""Copies that a run has kept, by the path of the file that they were made of."""


def is_reference(name: str) -> bool:
    """Say whether a name stands for something outside the package."""
    return ":" in name


def target_of(reference: str) -> str:
    """Return the file or the module that a reference names."""
    return reference.rpartition(":")[0]


def is_file(target: str) -> bool:
    """Say whether a target is a file; else it is a module."""
    return target.endswith(".py") or "/" in target


def absolute(name: str) -> str:
    """Return a reference with the absolute path of its file; other names as they are."""
    target, colon, attribute = name.rpartition(":")
    if not colon or not is_file(target):
        return name
    return f"{PLUGINS[target].target if target in _ARRIVED else _absolute(target)}:{attribute}"


def identity(name: str) -> str:
    """Return a reference without the folder of its file, a fact of the place; other names as they are."""
    target, colon, attribute = name.rpartition(":")
    return f"{Path(target).name}:{attribute}" if colon and is_file(target) else name


def find(target: str, anew: bool = False) -> Plugin:
    """Return the file or package; ValueError says why there is none.

    What a process has read it does not read again, so that an edit in the middle of a sweep changes nothing
    in it; `anew`: a command begins, and reads a file as it is now.
    """
    if is_file(target):
        if target in _ARRIVED:
            return PLUGINS[target]
        path = str(_absolute(target))
        if anew or path not in PLUGINS:
            PLUGINS[path] = _read_file(path)
        PLUGINS[target] = PLUGINS[path]  # Others are asked for it by the same name.
        return PLUGINS[path]
    top = target.partition(".")[0]
    if not all(part.isidentifier() for part in target.split(".")):
        raise ValueError(f"must be {FORMS}")
    if top not in PLUGINS:
        PLUGINS[top] = _read_package(top)
    return PLUGINS[top]


def arrived(plugins: Iterable[tuple[str, Plugin]]) -> None:
    """Know what travelled to this process, by what names it."""
    for name, plugin in plugins:
        PLUGINS[name] = plugin
        _ARRIVED.add(name)


def sources_of(target: str) -> list[str]:
    """Return the paths of the files behind a target; none of a package that is installed.

    Raises UserError if there is no such file or package.
    """
    try:
        return [module.path for module in find(target).modules]
    except ValueError as error:
        raise UserError(f"{show(target)}: {error}") from None


def copies_of(references: Iterable[str]) -> dict[str, str]:
    """Return what the files that references name hold, by names under which copies can be kept."""
    targets = {target_of(name) for name in references if is_reference(name)}
    modules = [find(target).modules[0] for target in targets if is_file(target)]
    return {f"{module.name}.py": module.text for module in modules}


def use_copies(references: Iterable[str], folder: Path) -> None:
    """Take a run's copies of files that are not there any more, as where a job's folder was thrown away."""
    for target in {target_of(name) for name in references if is_reference(name)}:
        if is_file(target) and not _absolute(target).exists():
            copies = sorted(folder.glob(f"{_word(Path(target).stem)}_*.py"))
            if copies:
                _COPIES[str(_absolute(target))] = copies[-1]


def _read_file(target: str) -> Plugin:
    path = Path(target)
    place = path if path.exists() else _COPIES.get(str(path), path)
    try:
        text = read_text(place)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"{path} is not a text file") from None
    content = digest([Module(path.name, str(path), text)])
    module = Module(f"{_word(path.stem)}_{content[:12]}", str(path), text)
    _check_alone(module, path.parent)
    return Plugin(str(path), module.name, (module,), content)


def _read_package(top: str) -> Plugin:
    here = str(Path.cwd())
    spec = PathFinder.find_spec(top, [here, *(entry for entry in sys.path if entry)])
    if top in sys.builtin_module_names or spec is None or spec.origin is None:
        raise ValueError(f"there is no package {top!r} here or among the installed ones")
    origin = Path(spec.origin)
    is_package = spec.submodule_search_locations is not None
    root = origin.parent if is_package else origin
    paths = sorted(origin.parent.rglob("*.py")) if is_package else [origin]
    modules = []
    for path in paths:
        inside = path.relative_to(root.parent).with_suffix("").parts
        parts = inside[:-1] if inside[-1] == "__init__" else inside
        modules.append(Module(".".join(parts), str(path), read_text(path), inside[-1] == "__init__"))
    content = digest(modules)
    if top in OURS or _is_installed(origin):
        return Plugin(top, top, (), content)
    if sum(len(module.text) for module in modules) > MOST_BYTES:
        raise ValueError(f"the sources of {top} in {root} are above {MOST_BYTES >> 20} MiB")
    for module in modules:
        _check_alone(module, root.parent, top)
    return Plugin(top, top, tuple(modules), content)


def _is_installed(path: Path) -> bool:
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    return any(path.is_relative_to(place) for place in places) or "site-packages" in path.parts


def _check_alone(module: Module, folder: Path, top: str = "") -> None:
    """Refuse imports of what lies beside it: that would neither travel nor be part of what identifies it."""
    try:
        tree = ast.parse(module.text)
    except (SyntaxError, ValueError):
        return  # Told when it is executed.
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module]
        else:
            continue
        for name in (name.partition(".")[0] for name in names):
            beside = (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists()
            if beside and name not in (top, *OURS) and not _is_installed(folder):
                raise ValueError(
                    f"{module.path}:{node.lineno}: imports {name}, which lies beside it and would not travel "
                    "with it: put both into one package and name it as package.module:NAME"
                )


def _word(stem: str) -> str:
    return re.sub(r"\W", "_", stem, flags=re.ASCII)


def _absolute(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise UserError(f"{show(path)}: this machine knows no such user") from None
