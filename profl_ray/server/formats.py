"""The format of the folders of runs and sweeps: noted in each, so that no other program misreads it."""

from collections.abc import Mapping
from typing import Any

from profl_ray.errors import UserError
from profl_ray.provenance import program

FORMAT = 5
"""Rises with every change of what a stored file holds or means."""
LAST_WITHOUT_FORMAT = "fcee892"
"""The last commit of ours that notes no format in what it writes."""


def stamp() -> dict[str, Any]:
    """Return what a file notes of how to read it."""
    return {"format": FORMAT, "written_by": program()}


def check_format(what: str, facts: Mapping[str, Any]) -> None:
    """Raise UserError, with who can read it, if the file `what`, which holds `facts`, has another format."""
    if (found := facts.get("format")) == FORMAT:
        return
    if found is None:
        how, who = "has no format number (it was written before format 5)", f"commit {LAST_WITHOUT_FORMAT}"
    else:
        who = _words(facts.get("written_by"))
        how = f"has format {_words(found)}, written by {who}"
    raise UserError(
        f"{what} {how}; this is {program()}, which reads format {FORMAT} (fix: finish it with {who}, or "
        "begin a new one)"
    )


def _words(value: Any) -> str:
    return " ".join(str(value).split())[:100]
