"""The value of `key=value` on the command line, read as the key's declared type has it."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from profl_ray.config.scalars import typed
from profl_ray.config.schema import branches
from profl_ray.config.words import Word
from profl_ray.config.yaml_tree import parse
from profl_ray.errors import UserError


def override_value(text: str, schema: Mapping[str, Any] | None, source: str) -> Any:
    """Return what stands behind the `=`, as the leaf's JSON schema has it; None: there is no such key.

    Text and paths are taken as written, without the blanks around them; numbers as people mean them; lists
    in YAML's brackets. Quotes around the whole say that it is text (`"null"`), and are taken off. Raises
    UserError, which begins with `source`, for control characters and for broken brackets.
    """
    text = text.strip()
    odd = {character for character in text if unicodedata.category(character) in ("Cc", "Cs")}
    if odd - set("\t\r\n"):
        raise UserError(f"{source}: it holds a control character, or a byte that is not UTF-8")
    if schema is None:
        return text
    quote = text[:1]
    if len(text) > 1 and quote in "\"'" and text.endswith(quote) and quote not in text[1:-1]:
        return text[1:-1]
    if text[:1] in ("[", "{") and any(branch["type"] == "array" for branch in branches(schema)):
        return typed(parse(text, source, lines=False), schema)
    return typed(Word(text), schema)
