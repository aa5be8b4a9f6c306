"""The code of docs/adding-a-strategy.md, taken from the page itself."""

import re
from pathlib import Path

from profl_ray.strategies import Strategy

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-strategy.md"


def codes() -> list[str]:
    """Return a strategy inside the package, one from outside, and the test of that."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def suffix() -> type[Strategy]:
    names: dict[str, object] = {"__name__": "worked_example"}
    exec(compile(codes()[0], str(PAGE), "exec"), names)
    found = names["Suffix"]
    assert isinstance(found, type) and issubclass(found, Strategy)
    return found
