"""Sixteen settings of the growing stage, on scikit-learn's digits."""

from profl_ray.tuning import Choice, SearchSpace


def growing_16() -> SearchSpace:
    """Sweep rate, initialisation and batch-norm policy of the growing steps of a CNN in four blocks.

    All sixteen have the shrinking stage in common, and the sweep trains it once.
    """
    return SearchSpace(
        name="growing_16",
        description="sixteen settings of the growing stage: rate, initialisation, batch norm",
        recipe="digits_tiny",
        parameters={
            "strategy.profl.grow_learning_rate": Choice.of(0.01, 0.02, 0.05, 0.1),
            "strategy.profl.initialisation": Choice.of("corresponding", "carry"),
            "strategy.profl.grow_frozen_bn": Choice.of("batch", "eval"),
        },
        overrides=(
            "model.partition=units",
            "training.max_gradient_norm=1.0",
            "freezing.min_rounds=5",
            "freezing.max_rounds=30",
        ),
    )
