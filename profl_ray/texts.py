"""Text that people wrote, and values shown to them in one line."""

import codecs
import json
from pathlib import Path
from typing import Any

_MARKS = {  # The longer ones first: UTF-32's begins as UTF-16's.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path: Path, errors: str = "strict") -> str:
    """Return a text file that people wrote: UTF-8, or what a byte order mark says, as Windows writes it.

    Raises OSError, and ValueError if the file is no text (unless `errors` is `replace`).
    """
    content = path.read_bytes()
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    return content.decode(encoding, errors).lstrip("\ufeff")


def show(value: Any) -> str:
    """Return a value as a user would write it: one printable line, not too long."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError):
        text = f"<{type(value).__name__}>"
    return one_line(text)


def as_text(value: Any) -> str:
    """Return a value as text that YAML reads back: text as it is, all else as compact JSON (`[2,2]`)."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def one_line(text: str) -> str:
    """Return text as one printable line, not too long."""
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 100 else f"{text[:100]}..."
