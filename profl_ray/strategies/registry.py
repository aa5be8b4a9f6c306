"""The strategies by name. A new paper is one file and one line here; others are named where they lie."""

from inspect import isabstract

from profl_ray.errors import UserError, unknown_name
from profl_ray.plugins import is_reference, load
from profl_ray.strategies.base import Strategy, StrategyContext
from profl_ray.strategies.depthfl import DepthFL
from profl_ray.strategies.fedavg import FedAvg
from profl_ray.strategies.fedrolex import FedRolex
from profl_ray.strategies.heterofl import HeteroFL
from profl_ray.strategies.profl import ProFL
from profl_ray.strategies.progfed import ProgFed
from profl_ray.strategies.smartfreeze import SmartFreeze

_ALL: tuple[type[Strategy], ...] = (
    DepthFL,
    FedAvg,
    FedRolex,
    HeteroFL,
    ProFL,
    ProgFed,
    SmartFreeze,
)
STRATEGIES: dict[str, type[Strategy]] = {strategy.name: strategy for strategy in _ALL}


def find_strategy(name: str, anew: bool = False) -> type[Strategy]:
    """Return the strategy of that name, or the class that FILE.py:CLASS or package.module:CLASS names.

    `anew`: its file is read as it is now. Raises UserError with the nearest one for an unknown name, and for
    what is no strategy.
    """
    if is_reference(name):
        return _from_outside(name, load(name, "strategy.name", anew))
    if name not in STRATEGIES:
        raise unknown_name("strategy", name, STRATEGIES)
    return STRATEGIES[name]


def make_strategy(context: StrategyContext) -> Strategy:
    """Return the configured strategy at its beginning; UserError for an unknown name."""
    return find_strategy(context.config.strategy.name)(context)


def _from_outside(reference: str, found: object) -> type[Strategy]:
    label = f"strategy.name={reference}"
    if not isinstance(found, type) or not issubclass(found, Strategy):
        raise UserError(f"{label}: is no strategy, a class over profl_ray.strategies.Strategy")
    if isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise UserError(f"{label}: does not have {missing} (docs/adding-a-strategy.md)")
    name = getattr(found, "name", None)
    if not isinstance(name, str) or not name.isidentifier():
        raise UserError(f'{label}: needs a name of letters, digits and _, as in name = "mine"')
    return found
