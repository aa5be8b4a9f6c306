"""From a reference to the object that it names; what is wrong with it is told in one line."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib import import_module
from types import ModuleType
from typing import Any

from profl_ray.errors import UserError
from profl_ray.plugins.finding import FORMS, PLUGINS, find, is_file, is_reference, target_of
from profl_ray.plugins.source import Plugin, register
from profl_ray.texts import one_line

_LOADED: dict[str, Plugin] = {}
"""What was executed in this process, by digest."""


def load(reference: str, key: str, anew: bool = False) -> Any:
    """Return the object that a reference names; `key` is what it is given for, as in `strategy.name`.

    `anew`: a file is read as it is now. Raises UserError, in one line with file and line, for a file or
    package that is not there, does not import, or does not have the name.
    """
    target, _, attribute = reference.rpartition(":")
    label = f"{key}={one_line(reference)}"
    if not target or not attribute.isidentifier():
        raise UserError(f"{label}: must be {FORMS}")
    try:
        plugin = find(target, anew)
    except ValueError as error:
        raise UserError(f"{label}: {error}") from None
    module = _imported(plugin, plugin.module if is_file(target) else target, label)
    try:
        return getattr(module, attribute)
    except AttributeError:
        own = ", ".join(sorted(name for name, value in vars(module).items() if _is_own(value, module)))
        raise UserError(f"{label}: there is no {attribute} in it (it has {own or 'nothing'})") from None


def load_all() -> None:
    """Import every file and package that travelled to this process; UserError for one that it cannot."""
    for plugin in set(PLUGINS.values()):
        if plugin.modules:
            _imported(plugin, plugin.module, plugin.target)


def digest_of(name: str) -> str:
    """Return the digest of the sources that a reference stands for; empty for other names."""
    return find(target_of(name)).digest if is_reference(name) else ""


def loaded_digest() -> str:
    """Return the digest of everything from outside that this process has executed; empty: nothing."""
    return sha256("".join(sorted(_LOADED)).encode()).hexdigest() if _LOADED else ""


@contextmanager
def mistakes_told(reference: str, key: str) -> Iterator[None]:
    """Raise UserError, in one line with file and line, for what goes wrong in code from outside."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        where = _place(error, find(target_of(reference)))
        text = f"{type(error).__name__}: {one_line(str(error))}"
        raise UserError(f"{key}={one_line(reference)}: {where}{text}") from error


def _imported(plugin: Plugin, module: str, label: str) -> ModuleType:
    register(plugin.modules)
    try:
        imported = import_module(module)
    except SyntaxError as error:
        raise UserError(f"{label}: {error.filename}:{error.lineno}: {one_line(str(error.msg))}") from None
    except (Exception, SystemExit) as error:
        where = _place(error, plugin)
        raise UserError(f"{label}: {where}{type(error).__name__}: {one_line(str(error))}") from None
    _LOADED[plugin.digest] = plugin
    return imported


def _place(error: BaseException, plugin: Plugin) -> str:
    """Return file and line of the plug-in at which importing it went wrong."""
    paths = {module.path for module in plugin.modules}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in paths:
            return f"{frame.filename}:{frame.lineno}: "
    return ""


def _is_own(value: Any, module: ModuleType) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module.__name__
