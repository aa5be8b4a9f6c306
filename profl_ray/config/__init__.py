"""The experiment as one validated configuration tree, recipes and overrides."""

from profl_ray.config.data import DataConfig, SplitConfig
from profl_ray.config.experiment import ExperimentConfig
from profl_ray.config.federation import FederationConfig, QuotaConfig
from profl_ray.config.learning import FreezingConfig, ModelConfig, TrainingConfig
from profl_ray.config.load import (
    apply_overrides,
    flatten,
    from_yaml,
    load_experiment,
    recipe_names,
    resumed_config,
    to_yaml,
)
from profl_ray.config.platform import EvaluationConfig, FleetConfig, StorageConfig, TrackingConfig
from profl_ray.config.strategy import DepthFLOptions, FedAvgOptions, ProFLOptions, StrategyConfig

__all__ = [
    "DataConfig",
    "DepthFLOptions",
    "EvaluationConfig",
    "ExperimentConfig",
    "FedAvgOptions",
    "FederationConfig",
    "FleetConfig",
    "FreezingConfig",
    "ModelConfig",
    "ProFLOptions",
    "QuotaConfig",
    "SplitConfig",
    "StorageConfig",
    "StrategyConfig",
    "TrackingConfig",
    "TrainingConfig",
    "apply_overrides",
    "flatten",
    "from_yaml",
    "load_experiment",
    "recipe_names",
    "resumed_config",
    "to_yaml",
]
