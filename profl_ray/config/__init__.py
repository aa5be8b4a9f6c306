"""The experiment as one validated configuration tree, recipes and overrides."""

from profl_ray.config.load import (
    apply_overrides,
    flatten,
    from_yaml,
    load_experiment,
    recipe_names,
    resumed_config,
    to_yaml,
)
from profl_ray.sections import (
    DataConfig,
    EvaluationConfig,
    ExperimentConfig,
    FederationConfig,
    FleetConfig,
    FreezingConfig,
    ModelConfig,
    QuotaConfig,
    SplitConfig,
    StorageConfig,
    StrategyConfig,
    TrackingConfig,
    TrainingConfig,
)

__all__ = [
    "DataConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "FederationConfig",
    "FleetConfig",
    "FreezingConfig",
    "ModelConfig",
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
