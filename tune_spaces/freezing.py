"""When to freeze: thresholds of the freezing rule times block partitions, on scikit-learn's digits."""

from profl_ray.tuning import Choice, SearchSpace


def freezing() -> SearchSpace:
    """Sweep phi, the slope at which a block counts as converged, and where the network is cut.

    Three thresholds times two partitions of a four-unit CNN; 20 devices whose quotas are fractions of full
    training's need. `make demo` runs it: a few minutes on two cores. A small phi trains longer; an even
    partition has a lower peak than a lopsided one, so more devices take part.
    """
    return SearchSpace(
        name="freezing",
        description="ProFL's freezing threshold times the block partition",
        recipe="digits",
        parameters={
            "freezing.phi": Choice.of(0.5, 2.0, 5.0),
            "model.partition": Choice.of([2, 2], [1, 3]),
        },
        overrides=("fleet.backend=ray",),
    )
