"""A configuration tree as MLflow parameters: dotted keys, and values within MLflow's limits."""

import json
from collections.abc import Mapping
from typing import Any

MAX_KEY_LENGTH = 250
MAX_PARAM_LENGTH = 6000
MAX_TAG_LENGTH = 5000
"""Servers of several versions accept at least 5000 characters."""
PARAMS_PER_BATCH = 100


def flat_params(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested values as dotted keys: {"model": {"width": 1.0}} -> {"model.width": "1.0"}.

    `tree` holds JSON-ready values (`config.model_dump(mode="json")`); lists stay whole, without blanks.
    """
    flat: dict[str, str] = {}
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flat_params(value, f"{dotted}.")
        else:
            flat[dotted] = as_text(value)
    return flat


def as_text(value: Any) -> str:
    """Return one value as a parameter: text as it is, all else as compact JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)


def cut(text: str, limit: int) -> str:
    """Return `text` within `limit` characters; a cut one ends with the number of characters left out."""
    if len(text) <= limit:
        return text
    # Room for the mark, so that a reader sees that the value is not whole.
    kept = limit - 40
    return f"{text[:kept]}... ({len(text) - kept} characters more)"


def safe_key(key: str) -> str:
    """Return `key` with only the characters that MLflow allows (letters, digits, and _ - . / : blank)."""
    allowed = "".join(c if c.isalnum() or c in "_-./: " else "_" for c in key)
    return allowed[:MAX_KEY_LENGTH]
