"""The sections of the configuration that every room knows; `config` composes the whole tree of them.

`strategy` is an open slot: the options of a training method are declared in the method's own file, and have
their place in the tree under its name.
"""

from profl_ray.sections.base import Count, Seconds, Section
from profl_ray.sections.data import DataConfig, SplitConfig
from profl_ray.sections.experiment import ExperimentConfig
from profl_ray.sections.federation import FederationConfig, QuotaConfig
from profl_ray.sections.learning import FreezingConfig, ModelConfig, TrainingConfig
from profl_ray.sections.platform import EvaluationConfig, FleetConfig, StorageConfig, TrackingConfig
from profl_ray.sections.strategy import StrategyConfig

__all__ = [
    "Count",
    "DataConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "FederationConfig",
    "FleetConfig",
    "FreezingConfig",
    "ModelConfig",
    "QuotaConfig",
    "Seconds",
    "Section",
    "SplitConfig",
    "StorageConfig",
    "StrategyConfig",
    "TrackingConfig",
    "TrainingConfig",
]
