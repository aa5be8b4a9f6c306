"""What must never be shown or stored: passwords in addresses."""

import re

# Up to the last @ of a word: a password may hold one.
_PASSWORD = re.compile(r"(://[^\s:/@]*):\S*@")


def masked(text: str) -> str:
    """Return `text` with every password in an address (scheme://user:password@host) replaced by ***."""
    return _PASSWORD.sub(r"\1:***@", text)
