"""Source text as modules: what is executed is what was read, digested and sent, on whatever machine."""

import inspect
import linecache
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import CodeType, ModuleType


@dataclass(frozen=True)
class Module:
    """The source of one module."""

    name: str
    path: str
    """Where it was read: tracebacks and messages name it, nobody reads it again."""
    text: str
    is_package: bool = False


@dataclass(frozen=True)
class Plugin:
    """A file, or a package, from outside: what travels to other processes."""

    target: str
    """Absolute path of the file, or name of the package."""
    module: str
    """Name of the module of a file; of a package, its own."""
    modules: tuple[Module, ...]
    """Sources that travel; none of a package that is installed."""
    digest: str
    """SHA-256 of all its sources."""


def digest(modules: Sequence[Module]) -> str:
    """Return the SHA-256 of sources; where they were read plays no part."""
    found = sha256()
    for module in sorted(modules, key=lambda module: module.name):
        found.update(f"{module.name}\0{len(module.text)}\0{module.text}".encode())
    return found.hexdigest()


class _Loader(InspectLoader):
    """Gives a module the source that it was registered with."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def get_source(self, fullname: str) -> str:
        """Return the source; tracebacks ask for it where the file is not."""
        return self.module.text

    def is_package(self, fullname: str) -> bool:
        """Say whether the module has modules below it."""
        return self.module.is_package

    def get_code(self, fullname: str) -> CodeType:
        """Return the source compiled; SyntaxError names its place."""
        # A traceback, or the texts below options, shows the lines that are executed, though the file may be
        # another by now, or lie on another machine. Without a time of change they are never read anew.
        path, lines = self.module.path, self.module.text.splitlines(keepends=True)
        linecache.cache[path] = (len(self.module.text), None, lines, path)
        inspect.modulesbyfile[path] = fullname
        return self.source_to_code(self.module.text, self.module.path)


class _Finder(MetaPathFinder):
    """Finds the modules that were registered, before any of that name on the path."""

    def __init__(self) -> None:
        self.modules: dict[str, Module] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load a registered module; None for all others."""
        module = self.modules.get(fullname)
        if module is None:
            return None
        spec = spec_from_loader(fullname, _Loader(module), origin=module.path, is_package=module.is_package)
        assert spec is not None
        spec.has_location = True
        return spec


_FINDER = _Finder()


def register(modules: Sequence[Module]) -> None:
    """Let these modules be imported by their names in this process, and be unpickled."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    _FINDER.modules |= {module.name: module for module in modules}


def registered() -> dict[str, Module]:
    """Return the modules that were registered, by name."""
    return _FINDER.modules
