"""Addresses of SQLite files, as SQLAlchemy and MLflow read them."""

from pathlib import Path
from urllib.parse import quote, unquote

from profl_ray.errors import UserError

DEFAULT_FILE = "mlflow.db"
"""In `storage.root`: the tracking store where nothing else is named."""


def default_address(storage_root: Path) -> str:
    """Return the address of the storage root's own tracking store."""
    return sqlite_address(storage_root.absolute() / DEFAULT_FILE)


def sqlite_path(uri: str) -> Path | None:
    """Return the absolute path of a SQLite store's file; None for other stores."""
    prefix, colon, name = uri.partition(":///")
    if not colon or prefix.partition("+")[0] != "sqlite":
        return None
    if "%" in name or "?" in name:
        # Late, and only here: it takes time, and what it makes of % depends on its version.
        from sqlalchemy.engine import make_url

        url = make_url(uri)
        name = url.database or ""
        if "uri" in url.query and name.startswith("file:"):
            name = unquote(name.removeprefix("file:"))
    return Path(name).absolute()


def sqlite_address(path: Path) -> str:
    """Return the address of the SQLite file at an absolute path; UserError if no address can name it."""
    # Where it must be quoted, slashes are too: MLflow makes the folders of an address as it is written there.
    quoted = quote(str(path), safe="", errors="surrogateescape")
    plain, *others = (f"sqlite:///{path}", f"sqlite:///{quoted}", f"sqlite:///file:{quoted}?uri=true")
    text = str(path)
    if text.isprintable() and not {"%", "?"} & set(text):
        return plain
    for address in (plain, *others):
        if text.isprintable() and sqlite_path(address) == path:
            return address
    raise UserError(f"{text!a}: MLflow has no address for a SQLite file there; choose another storage.root")
