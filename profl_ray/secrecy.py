"""What must never be shown or stored: passwords in addresses. And names that must stay names."""

import re

from profl_ray.errors import UserError

# Up to the last @ of a word: a password may hold one.
_PASSWORD = re.compile(r"(://[^\s:/@]*):\S*@")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def masked(text: str) -> str:
    """Return `text` with every password in an address (scheme://user:password@host) replaced by ***."""
    return _PASSWORD.sub(r"\1:***@", text)


def plain_name(what: str, name: str) -> str:
    """Return `name` if it is fit for a folder's name; UserError for one that could lead elsewhere."""
    if not _PLAIN.fullmatch(name):
        raise UserError(
            f"{what} {name!r} is not a name (allowed: letters, digits, '-', '_' and '.'; "
            "a letter or digit first)"
        )
    return name
