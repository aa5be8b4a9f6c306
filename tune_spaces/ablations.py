"""What each part of ProFL is worth: one part at a time left out or changed, on Fashion-MNIST."""

from typing import Any

from profl_ray.tuning import Choice, SearchSpace

VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "no shrinking": {"strategy.profl.shrinking": False},
    # With `corresponding`: a head has its own number of inputs in every step, so none can be carried over.
    "head only": {"strategy.profl.output_module": "head", "strategy.profl.initialisation": "corresponding"},
    "corresponding": {"strategy.profl.initialisation": "corresponding"},
    "frozen bn eval": {"strategy.profl.frozen_bn": "eval"},
    # About as many rounds in all as the base takes.
    "fixed rounds": {"freezing.name": "fixed_rounds", "freezing.rounds": 14},
    "phi 0.5": {"freezing.phi": 0.5},
    "phi 4": {"freezing.phi": 4.0},
    "phi 10": {"freezing.phi": 10.0},
    # Its first block needs 0.8 of full training: few devices can afford it.
    "2 blocks": {"model.partition": [4, 4]},
    "8 blocks": {"model.partition": "units"},
}
"""By name: what differs from the base (phi 1.5, 4 blocks, carried-over output modules, batch statistics)."""


def ablations() -> SearchSpace:
    """Compare variants of ProFL on the federation of recipe `fashion_comparison`, with shorter steps.

    About 5 minutes a variant on one core; a variant is one trial in one process.
    """
    return SearchSpace(
        name="ablations",
        description="ProFL with one part left out or changed at a time, on Fashion-MNIST",
        recipe="fashion_comparison",
        parameters={"variant": Choice(tuple(VARIANTS))},
        overrides=(
            "freezing.window_rounds=3",
            "freezing.fit_rounds=5",
            "freezing.patience_rounds=2",
            "freezing.phi=1.5",
            "freezing.min_rounds=5",
            "freezing.max_rounds=18",
            "freezing.max_shrink_rounds=5",
        ),
        bundles={"variant": VARIANTS},
    )
