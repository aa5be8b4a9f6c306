"""Words without quotes, and what they look like where nothing declares what they are."""

import re
from collections.abc import Mapping
from typing import Any

_INTEGER = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*")
_BASED = re.compile(r"[-+]?0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:_[0-9]+)*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE)
LIKE_A_NUMBER = re.compile(rf"(?:{_NUMBER.pattern}|{_BASED.pattern}|{_NOT_FINITE.pattern})\Z", re.IGNORECASE)
_MOST_DIGITS = 40  # Python refuses to read thousands; more than 64 bits are refused later.
NULLS = ("", "~", "null")


class Word(str):
    """A text without quotes, in YAML or on the command line; config/scalars.py says what it is."""

    __slots__ = ()


def as_number(word: str) -> int | float | None:
    """Return the number that a word is: 010 is ten; 1_000, 0x10, 1e-3, .5, +5 are some; None for 1:30."""
    if len(word) <= _MOST_DIGITS and _INTEGER.fullmatch(word):
        return int(word)
    if len(word) <= _MOST_DIGITS and _BASED.fullmatch(word):
        return int(word, 0)
    if _NUMBER.fullmatch(word):
        return float(word)
    if _NOT_FINITE.fullmatch(word):
        return float(word.replace(".", ""))
    return None


def guessed(value: Any) -> Any:
    """Return a value whose words are read by their looks, much as in YAML 1.2: numbers, booleans, null."""
    if isinstance(value, Mapping):
        return {key: guessed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [guessed(item) for item in value]
    if not isinstance(value, Word):
        return value
    if value.lower() in NULLS:
        return None
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    number = as_number(value)
    return str(value) if number is None else number
