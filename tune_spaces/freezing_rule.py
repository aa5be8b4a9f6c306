"""How to freeze: the whole freezing rule, searched by Optuna, on scikit-learn's digits."""

from profl_ray.tuning import Choice, Range, SearchSpace


def freezing_rule() -> SearchSpace:
    """Search window, fit, patience and threshold of the rule together with the learning rate."""
    return SearchSpace(
        name="freezing_rule",
        description="the whole freezing rule, searched by Optuna",
        recipe="digits",
        parameters={
            "freezing.phi": Range(0.2, 10.0, log=True),
            "freezing.window_rounds": Choice.of(2, 3, 4, 6),
            "freezing.fit_rounds": Choice.of(3, 4, 6, 8),
            "freezing.patience_rounds": Choice.of(1, 3, 5),
            "training.learning_rate": Range(0.01, 0.2, log=True),
        },
        overrides=("fleet.backend=ray",),
        search="optuna",
        num_samples=12,
    )
