"""Sixteen freezing rules whose freeze points differ, on scikit-learn's digits."""

from profl_ray.tuning import Choice, SearchSpace


def freezing_16() -> SearchSpace:
    """Sweep threshold and patience of the rule over a CNN in four blocks.

    All sixteen walk the same way until one of them freezes a block, and the sweep trains that way once.
    """
    return SearchSpace(
        name="freezing_16",
        description="sixteen freezing rules: threshold times patience",
        recipe="digits_tiny",
        parameters={
            "freezing.phi": Choice.of(0.5, 1.0, 2.0, 5.0),
            "freezing.patience_rounds": Choice.of(1, 2, 4, 7),
        },
        overrides=("model.partition=units", "freezing.min_rounds=5", "freezing.max_rounds=30"),
    )
