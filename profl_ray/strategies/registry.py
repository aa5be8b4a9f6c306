"""The strategies by name. A new paper is one file and one line here."""

from profl_ray.errors import unknown_name
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


def find_strategy(name: str) -> type[Strategy]:
    """Return the strategy of that name; UserError names the nearest one for an unknown name."""
    if name not in STRATEGIES:
        raise unknown_name("strategy", name, STRATEGIES)
    return STRATEGIES[name]


def make_strategy(context: StrategyContext) -> Strategy:
    """Return the configured strategy at its beginning; UserError for an unknown name."""
    return find_strategy(context.config.strategy.name)(context)
