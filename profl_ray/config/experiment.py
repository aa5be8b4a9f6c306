"""The whole experiment as one validated tree."""

from pydantic import Field, NonNegativeInt

from profl_ray.config.base import Section
from profl_ray.config.data import DataConfig
from profl_ray.config.federation import FederationConfig
from profl_ray.config.learning import FreezingConfig, ModelConfig, StrategyConfig, TrainingConfig
from profl_ray.config.platform import EvaluationConfig, FleetConfig, StorageConfig, TrackingConfig


class ExperimentConfig(Section):
    """Everything that determines a run, and where it runs."""

    recipe: str = "custom"
    """Name of the recipe that this experiment started from."""
    description: str = ""
    """What the recipe shows and what it should give."""
    seed: NonNegativeInt = 42
    """Root seed of every random stream."""
    data: DataConfig = Field(default_factory=DataConfig)
    federation: FederationConfig = Field(default_factory=FederationConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    strategy: StrategyConfig = Field(default_factory=StrategyConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    freezing: FreezingConfig = Field(default_factory=FreezingConfig)
    fleet: FleetConfig = Field(default_factory=FleetConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    tracking: TrackingConfig = Field(default_factory=TrackingConfig)
    storage: StorageConfig = Field(default_factory=StorageConfig)
