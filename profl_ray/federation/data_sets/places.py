"""Where a data set's files are looked for, and how they are fetched when absent."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from profl_ray.errors import UserError
from profl_ray.federation.data_sets.folders import found_below, is_folder, what_is_there
from profl_ray.sections import DataConfig

ROOT_VARIABLE = "PROFL_RAY_DATA"
"""Environment variable: a folder with one subfolder per data set, used when data.root is not set."""

Found = TypeVar("Found")


def base_folders(config: DataConfig, usual: Sequence[Path] = ()) -> list[Path]:
    """Return the folders to look in: data.root alone, else $PROFL_RAY_DATA/<name> and the `usual` ones.

    A root that the user names is the only place: silently reading another copy would hide a typing mistake.
    """
    if config.root is not None:
        return [config.root.expanduser()]
    variable = os.environ.get(ROOT_VARIABLE)
    return [*([Path(variable).expanduser() / config.name] if variable else []), *usual]


def locate_or_fetch(
    config: DataConfig,
    locate: Callable[[Path], Found | None],
    fetch: Callable[[Path], None],
    wanted: str,
    usual: Sequence[Path] = (),
    hint: str = "",
    belongs: str | None = None,
    layouts: Sequence[Sequence[str]] = (),
    suffixes: Sequence[str] = ("",),
) -> Found:
    """Return what `locate` finds in the first folder that has the data set, after a download if need be.

    `locate` returns None for a folder without the files; `fetch` downloads them into a folder; `wanted`
    describes the files, and `hint` another way to get them, in errors. `belongs` is what the path of a deeper
    folder must match for `locate` to look there as well (None: it does not); `layouts` are the names of the
    files, with `suffixes` behind them, to say what is nearest. Raises UserError when the files are in no
    folder, in several at once, or cannot be downloaded.
    """
    bases = base_folders(config, usual)
    for base in bases:
        found = locate(base)
        if found is not None:
            return found
        below = found_below(base, locate, belongs) if belongs is not None else []
        if len(below) > 1:
            copies = ", ".join(str(folder.relative_to(base)) for folder, _ in below)
            raise UserError(
                f"data set {config.name}: {base} holds {len(below)} copies of it: {copies}; "
                "set data.root=FOLDER to one of them"
            )
        if below:
            return below[0][1]
    if config.download:
        return _fetched(config, locate, fetch, wanted)
    chosen = base_folders(config)
    described = [
        f"{base} ({what_is_there(base, config.name, layouts, suffixes)})"
        if base in chosen or is_folder(base)
        else f"{base}"
        for base in bases
    ]
    looked = ", ".join(described) or f"no folder (neither data.root nor {ROOT_VARIABLE} is set)"
    raise UserError(
        f"data set {config.name}: {wanted} not found, looked in {looked}; "
        f"set data.root=FOLDER to the folder that holds them, or data.download=true{hint}"
    )


def _fetched(
    config: DataConfig, locate: Callable[[Path], Found | None], fetch: Callable[[Path], None], wanted: str
) -> Found:
    """Download into the folder that the user chose and return what `locate` finds there."""
    chosen = base_folders(config)  # without the usual folders, which are not ours to write to
    if not chosen:
        raise UserError(
            f"data set {config.name}: data.download=true needs data.root=FOLDER, "
            f"or the environment variable {ROOT_VARIABLE}, to know where to put the files"
        )
    try:
        chosen[0].mkdir(parents=True, exist_ok=True)
        fetch(chosen[0])
    except (OSError, RuntimeError) as error:  # URLError is an OSError; torchvision raises RuntimeError
        reason = " ".join(str(error).split())
        raise UserError(
            f"data set {config.name}: download into {chosen[0]} failed ({reason}); put the files there "
            "by hand, or set data.root=FOLDER to a folder that holds them"
        ) from error
    found = locate(chosen[0])
    if found is None:
        raise UserError(f"data set {config.name}: {wanted} still not in {chosen[0]} after the download")
    return found
