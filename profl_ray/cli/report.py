"""Placeholder until the report stands."""


def report() -> None:
    """Report."""
