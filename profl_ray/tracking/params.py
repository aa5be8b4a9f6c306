"""Keys and values within the limits of MLflow."""

MAX_KEY_LENGTH = 250
MAX_PARAM_LENGTH = 6000
MAX_TAG_LENGTH = 5000
"""Servers of several versions accept at least 5000 characters."""
PARAMS_PER_BATCH = 100


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
