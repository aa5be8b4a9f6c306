"""The base of every section of the configuration tree."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(gt=0, le=10_000_000)]
"""A number of things. Bounded, so that a slip of the keyboard is a message and not a full memory."""

FromOutside = Annotated[
    str,
    Field(
        pattern=r"^.+:[A-Za-z_][A-Za-z0-9_]*$",
        json_schema_extra={"words": "FILE.py:NAME (or package.module:NAME)"},
    ),
]
"""A name of something from outside the package."""

Seconds = Annotated[float, Field(gt=0, le=10_000_000)]
"""A waiting time, at most some months."""


class Section(BaseModel):
    """A part of the configuration: immutable, no unknown keys, no nan or inf, every field documented."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
