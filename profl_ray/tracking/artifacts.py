"""What a run leaves in MLflow beside its metrics: configuration, data partition, tables, figures."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from profl_ray.config.load import names_from_outside, to_yaml
from profl_ray.plugins import copies_of
from profl_ray.server.experiment import Experiment
from profl_ray.server.needs import StepNeed
from profl_ray.server.record import RoundRecord
from profl_ray.strategies import find_strategy
from profl_ray.strategies.stages import stages_as_text
from profl_ray.tracking.data import QUOTAS_PATH, STAGES_TAG
from profl_ray.tracking.null import NullWriter, Writer


def log_setup(writer: Writer, experiment: Experiment, needs: Sequence[StepNeed]) -> None:
    """Log what is known before the first round."""
    stages = find_strategy(experiment.config.strategy.name).stages
    writer.log_summary({}, {STAGES_TAG: stages_as_text(stages)})
    writer.log_text(to_yaml(experiment.config), "config.yaml")
    for name, text in copies_of(names_from_outside(experiment.config).values()).items():
        writer.log_text(text, f"plugins/{name}")
    writer.log_json(experiment.split_as_json(), "federation/partition.json")
    writer.log_json([round(float(quota), 4) for quota in experiment.quotas_mib], QUOTAS_PATH)
    writer.log_table("memory", memory_columns(experiment, needs))


def memory_columns(experiment: Experiment, needs: Sequence[StepNeed]) -> dict[str, list[Any]]:
    """Return the memory table: one row per step, MiB."""
    columns: dict[str, list[Any]] = {
        "step": [str(need.step) for need in needs],
        "need_mib": [need.need_mib for need in needs],
        "reduction": [1 - need.need_mib / experiment.full_need_mib for need in needs],
        "eligible_share": [need.eligible_share for need in needs],
    }
    for need in needs:
        for part, mib in experiment.estimate(need.task).parts_mib().items():
            columns.setdefault(f"{part}_mib", []).append(mib)
    return columns


def log_results(writer: Writer, experiment: Experiment, records: Sequence[RoundRecord]) -> None:
    """Log the tables of devices and classes and the figures of a run that has ended, early or not."""
    if isinstance(writer, NullWriter):
        return  # Drawing takes a second and 100 MiB.
    # Late: matplotlib takes a second to import.
    from profl_ray.figures.run import run_figures

    writer.log_table("devices", device_columns(experiment, records))
    if classes := class_columns(experiment, records):
        writer.log_table("classes", classes)
    config = experiment.config.freezing
    phi = config.phi if config.name == "effective_movement" else None
    stages = find_strategy(experiment.config.strategy.name).stages
    figures = run_figures(
        records, experiment.quotas_mib, full_need_mib=experiment.full_need_mib, phi=phi, stages=stages
    )
    for name, figure in figures.items():
        writer.log_figure(figure, f"figures/{name}.png")


def class_columns(experiment: Experiment, records: Sequence[RoundRecord]) -> dict[str, list[Any]]:
    """Return the table of the classes: examples that devices have, those evaluated on, and recall on these.

    Of the last evaluation; empty if there was none.
    """
    recalls = next((r.test_recalls for r in reversed(records) if r.test_recalls is not None), None)
    if recalls is None:
        return {}
    data, split = experiment.data, experiment.split
    trained = data.train_labels[np.concatenate(split.indices)]
    evaluated = data.test_labels if split.validation is None else data.train_labels[split.validation]
    return {
        "class": list(range(data.num_classes)),
        "num_trained_on": np.bincount(trained, minlength=data.num_classes).tolist(),
        "num_evaluated_on": np.bincount(evaluated, minlength=data.num_classes).tolist(),
        "recall": list(recalls),
    }


def device_columns(experiment: Experiment, records: Sequence[RoundRecord]) -> dict[str, list[Any]]:
    """Return the table of the devices: quota, examples, rounds drawn, trained and failed, last failure."""
    drawn: Counter[int] = Counter()
    trained: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    last_failure: dict[int, str] = {}
    for record in records:
        drawn.update(record.cohort)
        trained.update(record.trained)
        failed.update(record.failed.keys())
        last_failure |= record.failed
    devices = range(len(experiment.quotas_mib))
    return {
        "device": list(devices),
        "quota_mib": [round(float(quota), 3) for quota in experiment.quotas_mib],
        "num_examples": [int(size) for size in experiment.split.sizes],
        "rounds_drawn": [drawn[device] for device in devices],
        "rounds_trained": [trained[device] for device in devices],
        "rounds_failed": [failed[device] for device in devices],
        "last_failure": [last_failure.get(device, "") for device in devices],
    }
