"""Names of runs, sweeps and experiments: new ones, and those that a user gives, which must stay names."""

import re
import time
import unicodedata
from pathlib import Path
from uuid import uuid4

from profl_ray.errors import UserError

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_MOST_CHARACTERS = 100
"""Of a name that we make; a file system takes 255 bytes, of which a date and a suffix need some."""


def plain_name(what: str, name: str) -> str:
    """Return `name` if it is fit for a folder's name; UserError for one that could lead elsewhere."""
    if not _PLAIN.fullmatch(name):
        raise UserError(
            f"{what} {name[:300]!r} is not a name (allowed: letters, digits, '-', '_' and '.'; "
            "a letter or digit first; at most 255 characters)"
        )
    return name


def kept_name(what: str, name: str, folder: Path) -> str:
    """Return `name` if it names something in `folder`, or could as a plain name; UserError as `plain_name`.

    What lies directly in a folder leads nowhere else, whatever it is called.
    """
    try:
        known = any(path.name == name for path in folder.iterdir())
    except OSError:
        known = False
    return name if known else plain_name(what, name)


def fitting_name(text: str) -> str:
    """Return the plain name most like `text`: `exp-1` for `exp(1)`; `custom` if nothing would be left."""
    if _PLAIN.fullmatch(text) and len(text) <= _MOST_CHARACTERS:
        return text
    letters = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", letters).strip("-._")
    return name[:_MOST_CHARACTERS].rstrip("-._") or "custom"


def new_name(label: str) -> str:
    """Return a name that no other run or sweep has: `label` made to fit, the time, four random digits."""
    return f"{fitting_name(label)}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:4]}"
