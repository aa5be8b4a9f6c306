"""The training method: what all methods have in common, and a slot for the options of each."""

from typing import Annotated, Self, TypeVar

from pydantic import Field, model_validator

from profl_ray.sections.base import Count, Section

Rate = Annotated[float, Field(gt=0, le=1)]
AnyOptions = TypeVar("AnyOptions", bound=Section)


class StrategyConfig(Section):
    """The training method; the options of methods that are not chosen have no effect."""

    name: str = "profl"
    """depthfl, fedavg, fedrolex, heterofl, profl, progfed or smartfreeze; or a class of your own,
    FILE.py:CLASS or package.module:CLASS (docs/plugins.md)."""
    plugins: tuple[str, ...] = ()
    """Strategies of your own, besides the one that `name` names, whose options are part of the tree as well;
    sweeps and comparisons fill it in."""
    rounds: Count = 60
    """Rounds of the whole run, for methods that do not freeze blocks."""
    width_levels: tuple[Rate, ...] = (1.0, 0.5, 0.25, 0.125, 0.0625)
    """Widths of sub-models as shares of the model's channels, widest first (HeteroFL, FedRolex, AllSmall)."""

    def options(self, kind: type[AnyOptions]) -> AnyOptions:
        """Return the options that a method declares as `kind`, such as `ProFL.Options`."""
        (found,) = (value for _, value in self if type(value) is kind)
        return found

    @model_validator(mode="after")
    def _falling(self) -> Self:
        if not self.width_levels or list(self.width_levels) != sorted(set(self.width_levels), reverse=True):
            raise ValueError("width_levels must be given once each, widest first, and at least one")
        return self
