"""Files of people's own, as they would write them."""

MINE = '''"""FedAvg that takes over only a share of every change."""

from dataclasses import dataclass, replace

from pydantic import Field

from profl_ray.sections import Section
from profl_ray.strategies.fedavg import FedAvg
from profl_ray.training import LocalSGD


@dataclass(frozen=True)
class MySGD(LocalSGD):
    """A procedure of one's own: it travels to client actors with every task."""


class Mine(FedAvg):
    """New weights are the old ones and `alpha` times the change."""

    name = "mine"

    class Options(Section):
        """Options of Mine."""

        alpha: float = Field(1.0, gt=0, le=1)
        """Share of a round's change that is taken over."""
        waves: int = 1
        """Not used."""

    def __init__(self, context):
        super().__init__(context)
        self.task = replace(self.task, procedure=MySGD.configured(context.config.training))

    def merge(self, sums, told):
        """Move the weights by a share of the mean change."""
        before = dict(self.weights)
        super().merge(sums, told)
        alpha = self.context.options(Mine.Options).alpha
        if alpha < 1:
            for name, new in self.weights.items():
                self.weights[name] = ((1 - alpha) * before[name] + alpha * new).astype("float32")
'''

SPACE = '''"""What alpha does."""

from profl_ray.tuning import Choice, SearchSpace


def my_space() -> SearchSpace:
    """Sweep alpha."""
    return SearchSpace(
        name="my_space",
        description="alpha of a strategy of my own",
        recipe="digits_tiny",
        parameters={"strategy.mine.alpha": Choice.of(0.5, 1.0)},
        overrides=("strategy.name=./mine.py:Mine", "strategy.rounds=2", "fleet.backend=ray"),
    )
'''

OTHERS = '''"""A model, a data set and a partitioner of one's own."""

import numpy as np

from profl_ray.federation.data_sets.digits import load_digits
from profl_ray.models.families.cnn import SmallCNN


class Wide(SmallCNN):
    """The small CNN under a name of its own."""


def few(config):
    """Digits under a name of its own."""
    return load_digits(config)


def nothing(config):
    """Load nothing."""


def blocks(deal, config):
    """Deal consecutive examples."""
    return np.array_split(np.arange(len(deal.labels)), deal.num_devices)
'''
