"""A search space: what is swept, how it is searched, and the recipe that it starts from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any, Literal

from profl_ray.config import ExperimentConfig, apply_overrides
from profl_ray.errors import UserError
from profl_ray.texts import as_text

Search = Literal["grid", "random", "optuna"]
Scheduler = Literal["fifo", "halving"]


@dataclass(frozen=True)
class Choice:
    """One of some values, each of which its key can take."""

    values: tuple[Any, ...]

    @classmethod
    def of(cls, *values: Any) -> "Choice":
        """Return the choice between `values`."""
        return cls(values)


@dataclass(frozen=True)
class Range:
    """A number between `low` and `high`; `log` draws its logarithm uniformly, and wants `low` above 0.

    Over a key that takes whole numbers, such as `training.local_epochs`, whole numbers are drawn, both ends
    among them. Both ends must be values that the key can take.
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class SearchSpace:
    """A named sweep."""

    name: str
    description: str
    recipe: str
    parameters: Mapping[str, Choice | Range]
    """By dotted configuration key, or by the name of a bundle."""
    overrides: tuple[str, ...] = ()
    """Changes to the recipe that hold for all trials, `key=value`."""
    search: Search = "grid"
    num_samples: int = 12
    """Trials of a random or Optuna search."""
    scheduler: Scheduler = "fifo"
    bundles: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    """Parameters that set several keys at once: for each the keys and values of its choices, by name."""

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same when a sweep is resumed, as JSON-ready values."""
        parameters = {key: asdict(domain) for key, domain in self.parameters.items()}
        return {"space": self.name, "parameters": parameters, "bundles": self.bundles}

    def grid(self) -> list[dict[str, Any]]:
        """Return every combination; UserError if a parameter is a range."""
        for key, domain in self.parameters.items():
            if isinstance(domain, Range):
                raise UserError(
                    f"space {self.name!r}: {key} is a range, which a grid cannot cover (use --search random)"
                )
        axes = [domain.values for domain in self.parameters.values() if isinstance(domain, Choice)]
        return [dict(zip(self.parameters, values, strict=True)) for values in product(*axes)]

    def expand(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings by dotted configuration key, bundles taken apart."""
        expanded: dict[str, Any] = {}
        for key, value in settings.items():
            expanded |= self.bundles[key][value] if key in self.bundles else {key: value}
        return expanded

    def configure(self, config: ExperimentConfig, settings: Mapping[str, Any]) -> ExperimentConfig:
        """Return the configuration of the trial with these settings; UserError if they do not fit."""
        trial = apply_overrides(config, self.expand(settings), label="in the trial's settings")
        return trial.with_absolute_paths()


def encode(value: Any) -> str:
    """Return a value as the text that travels through Tune, which is confused by lists."""
    return json.dumps(value)


def decode(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as Tune gives them, texts decoded."""
    return {key: json.loads(value) if isinstance(value, str) else value for key, value in settings.items()}


def trial_name(settings: Mapping[str, Any]) -> str:
    """Return settings as a short name, for instance `phi=0.2 partition=[2,2]`."""
    words = []
    for key, value in settings.items():
        text = f"{value:.4g}" if isinstance(value, float) else as_text(value)
        words.append(f"{key.rpartition('.')[2]}={text}")
    return " ".join(words)
