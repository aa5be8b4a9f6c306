"""Files and packages from outside that a command names: they go to the cluster with its job.

A job's folder is the uploaded one, so what a command names must be inside it, and is named from there. Where
nothing is uploaded, since the nodes have the project installed, a folder with these files alone is.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from profl_ray.config.tree import NAMED
from profl_ray.errors import UserError
from profl_ray.launch.upload import is_uploaded
from profl_ray.plugins import is_file, is_reference, sources_of, target_of

Rename = Callable[[str], str]


def named_in(command: Sequence[str]) -> list[str]:
    """Return what of a command comes from outside: references, and the file of a search space."""
    found: list[str] = []

    def note(name: str) -> str:
        found.append(name)
        return name

    renamed(command, note)
    return found


def renamed(command: Sequence[str], rename: Rename) -> tuple[str, ...]:
    """Return the command with all that it names from outside renamed."""
    words = list(command)
    for index, word in enumerate(words):
        before = words[index - 1] if index else ""
        option, equals, value = word.partition("=")
        if equals and option in NAMED and is_reference(value):
            words[index] = f"{option}={rename(value)}"
        elif equals and option == "--strategies":
            words[index] = f"{option}={_methods(value, rename)}"
        elif before == "--strategies":
            words[index] = _methods(word, rename)
        elif index == 1 and command[0] == "sweep" and (word.endswith(".py") or is_reference(word)):
            words[index] = rename(word)
    return tuple(words)


def _methods(value: str, rename: Rename) -> str:
    return ",".join(rename(name) if is_reference(name) else name for name in value.split(","))


def inside(folder: Path) -> Rename:
    """Return what names a file as it is called in the folder that is uploaded.

    It raises UserError for a file, or a package, that does not go along.
    """

    folder = folder.resolve()

    def rename(name: str) -> str:
        target, attribute = _parts(name)
        for path in _paths(name):
            if not path.is_relative_to(folder):
                raise UserError(
                    f"{name}: a job sees only the working folder that goes with it: put it into {folder}"
                )
            if not is_uploaded(folder, path):
                raise UserError(f"{name}: {path} is not uploaded (.gitignore or .rayignore names it)")
        if not is_file(target):
            return name
        return f"./{_absolute(target).resolve().relative_to(folder)}{attribute}"

    return rename


def staged(names: Iterable[str], folder: TemporaryDirectory[str]) -> Rename:
    """Copy what is named into a folder that is uploaded alone; return what names it there."""
    for name in names:
        for path in _paths(name):
            place = Path(folder.name) / _place(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)

    def rename(name: str) -> str:
        target, attribute = _parts(name)
        return f"./{_place(_absolute(target))}{attribute}" if is_file(target) else name

    return rename


def _parts(name: str) -> tuple[str, str]:
    """Return the target of a name and the rest: a space's file is named without an attribute."""
    return (target_of(name), name[len(target_of(name)) :]) if is_reference(name) else (name, "")


def _paths(name: str) -> list[Path]:
    """Return the files behind a name; none of a package that is installed."""
    target, _ = _parts(name)
    return [Path(path).resolve() for path in sources_of(target)]


def _place(path: Path) -> Path:
    """Return where a file is put: as seen from here, or by its name where it lies elsewhere."""
    path, here = path.resolve(), Path.cwd().resolve()
    return path.relative_to(here) if path.is_relative_to(here) else Path(path.name)


def _absolute(target: str) -> Path:
    return Path(target).expanduser().absolute()
