"""Files of a data set as people have them: other spellings, deeper folders; and what is there instead."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path
from typing import TypeVar

from profl_ray.texts import show

_MOST_ENTRIES = 10_000
_MOST_FOLDERS = 200
_DEPTH = 3
_SHOWN = 5
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip", ".7z", ".rar")

Found = TypeVar("Found")


def files_of(folder: Path, names: Sequence[str], suffixes: Sequence[str] = ("",)) -> list[Path | None]:
    """Return the file of each name in `folder`, None where there is none.

    The name as written comes first, with each of the suffixes; then one in other letters
    (`Train_32x32.MAT`), with other separators (`train-images.idx3-ubyte`), or in a folder of its own name, as
    some programs unpack it.
    """
    spellings = [[f"{name}{suffix}" for suffix in suffixes] for name in names]
    files = [next((folder / word for word in words if _is_file(folder / word)), None) for words in spellings]
    if None not in files:
        return files
    spelt = {_spelling(path.name): path for path in reversed(_entries(folder))}
    for place, words in enumerate(spellings):
        near = (spelt[_spelling(word)] for word in words if _spelling(word) in spelt)
        files[place] = files[place] or next(filter(None, (_file(path, words) for path in near)), None)
    return files


def all_files_of(folder: Path, names: Sequence[str], suffixes: Sequence[str] = ("",)) -> list[Path] | None:
    """Return the file of each name in `folder` as `files_of` does; None if any is absent."""
    files = files_of(folder, names, suffixes)
    found = [path for path in files if path is not None]
    return found if len(found) == len(files) else None


def found_below(base: Path, locate: Callable[[Path], Found | None], belongs: str) -> list[tuple[Path, Found]]:
    """Return the folders below `base`, of the least depth that has any, in which `locate` finds a data set.

    belongs: what the folder's path from `base` on must match, in small letters.
    """
    hits: list[tuple[Path, Found]] = []
    for folder in _folders_below(base):
        if hits and len(folder.parts) > len(hits[0][0].parts):
            break
        inner = "/".join((base.name, *folder.relative_to(base).parts)).casefold()
        found = locate(folder) if re.search(belongs, inner) else None
        if found is not None:
            hits.append((folder, found))
    return hits


def what_is_there(folder: Path, name: str, layouts: Sequence[Sequence[str]], suffixes: Sequence[str]) -> str:
    """Return in a few words what is in `folder` instead of the files of a layout of data set `name`."""
    if _is_file(folder):
        return "a file: unpack it if it is an archive, and name the folder that holds the data"
    if not is_folder(folder):
        parent = f", {folder.parent} holds {_listing(folder.parent)}" if is_folder(folder.parent) else ""
        return f"no such folder{parent}"
    words = f"it holds {_listing(folder)}"
    near, lacking = _nearest(folder, layouts, suffixes)
    if near == folder:
        return f"{words}, but not {_some(lacking)}"
    if near is not None:
        return f"{words}, nearest is {near.relative_to(folder)}, which lacks {_some(lacking)}"
    archives = [path.name for path in _entries(folder) if path.name.casefold().endswith(_ARCHIVES)]
    if archives:
        likeliest = max(archives, key=lambda archive: SequenceMatcher(None, archive.casefold(), name).ratio())
        return f"it holds {show(likeliest)}: unpack it"
    return words


def _nearest(
    base: Path, layouts: Sequence[Sequence[str]], suffixes: Sequence[str]
) -> tuple[Path | None, list[str]]:
    """Return the folder that has most files of a layout, and which it lacks; None if there is none of any."""
    best: tuple[float, Path | None, list[str]] = (0.0, None, [])
    for folder in (base, *_folders_below(base)):
        for names in layouts:
            files = files_of(folder, names, suffixes)
            lacking = [name for name, file in zip(names, files, strict=True) if file is None]
            share = 1 - len(lacking) / len(names)
            if best[0] < share < 1:
                best = (share, folder, lacking)
    return best[1:]


def _folders_below(base: Path) -> Iterator[Path]:
    """Yield the folders below `base`, nearer first, then by name: no hidden ones, and of many the first."""
    level, left = [base], _MOST_FOLDERS
    for _ in range(_DEPTH):
        level = [path for folder in level for path in _entries(folder) if is_folder(path)][:left]
        left -= len(level)
        yield from level


def is_folder(path: Path) -> bool:
    """Say whether `path` is a folder that we may see; pathlib raises where it may not look."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder by name, without what is hidden; nothing of one that cannot be read."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _MOST_ENTRIES)]
    except (OSError, ValueError):
        return []
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def _file(path: Path, words: Sequence[str]) -> Path | None:
    """Return a file, or the one of the same name in a folder."""
    if not is_folder(path):
        return path
    wanted = {_spelling(word) for word in words}
    inner = (entry for entry in _entries(path) if _spelling(entry.name) in wanted and _is_file(entry))
    return next(inner, None)


def _spelling(name: str) -> str:
    return re.sub(r"[._-]", "-", name.casefold())


def _listing(folder: Path) -> str:
    return _some([path.name for path in _entries(folder)])


def _some(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - _SHOWN
    shown = ", ".join(show(name) for name in names[:_SHOWN]) or "nothing"
    return f"{shown} and {more} more" if more > 0 else shown
