"""Placeholder until the sweep stands."""


def sweep() -> None:
    """Sweep."""
