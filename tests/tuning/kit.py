"""Short sweeps on digits."""

import json

from profl_ray.config import load_experiment
from profl_ray.server.record import RoundRecord
from profl_ray.tuning import SearchSpace

SHORT = (
    "federation.num_devices=6",
    "federation.cohort_size=5",
    "data.examples_per_device=40",
    "training.local_epochs=1",
    "evaluation.batch_size=90",
    "freezing.name=fixed_rounds",
    "freezing.rounds=2",
    "freezing.min_rounds=1",
    "strategy.profl.map_rounds=1",
    "fleet.cohort_groups=3",
    "fleet.cpus_per_actor=0.25",
)


def config(root, *overrides):
    return load_experiment("digits_tiny", [*SHORT, f"storage.root={root}", *overrides])


def space(root, parameters, *overrides, **options):
    changes = (*SHORT, f"storage.root={root}", *overrides)
    return SearchSpace("short", "a short sweep", "digits_tiny", parameters, overrides=changes, **options)


def record(**changes):
    """Return a round in which little happened; of the stages only growing compares, as ProFL has it."""
    values = dict.fromkeys(RoundRecord.__dataclass_fields__, 0) | {"need_mib": 1.0, "stage": "grow"}
    values |= {"cohort": (), "trained": (), "failed": {}, "figures": {}, "test_recalls": None}
    values |= {"compares": changes.get("stage", "grow") in ("grow", "train")}
    return RoundRecord(**values | changes)


def silent(_text):
    pass


def settings_of(trial):
    return {key: json.loads(value) for key, value in trial.settings.items()}
