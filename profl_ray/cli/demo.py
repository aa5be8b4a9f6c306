"""`profl-ray demo` and `profl-ray ui`."""


def demo() -> None:
    """Demo."""


def ui() -> None:
    """Ui."""
