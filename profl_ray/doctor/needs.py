"""What the recipe's steps need, and whether some device can afford each of them."""

from collections.abc import Mapping
from typing import Any

from profl_ray.config import ExperimentConfig
from profl_ray.doctor.findings import Finding, fail, ok
from profl_ray.errors import Unaffordable
from profl_ray.memory import NeedEstimator
from profl_ray.server.memory_table import memory_table
from profl_ray.server.needs import check_affordable

CHECK = "devices"
FIX = "federation.quotas.high_fraction=1.1, training.batch_size=16 or a finer model.partition"


def need_findings(
    config: ExperimentConfig, data: Mapping[str, Any], estimate: NeedEstimator
) -> tuple[list[Finding], float]:
    """Return the findings, and the need in MiB of the costliest task that some device can afford.

    `data`: what a node reports of the data set. Raises UserError for a recipe that cannot be put together.
    """
    try:
        table = memory_table(config, tuple(data["input_shape"]), data["num_classes"], estimate)
    except Unaffordable as error:
        return [fail(CHECK, str(error), FIX)], 0.0
    affordable = [row for row in table.steps if row.eligible_share > 0]
    peak_mib = max((row.need.mib for row in affordable), default=0.0)
    try:
        check_affordable(table.steps, table.quotas_mib.max())
    except Unaffordable as error:
        return [fail(CHECK, str(error).partition(" (fix: ")[0], FIX)], peak_mib
    fewest = min(affordable, key=lambda row: row.eligible_share)
    share = f"{100 * fewest.eligible_share:.0f} % of the devices"
    words = f"every step is affordable, the costliest ({fewest.step}) for {share}"
    return [ok(CHECK, words)], peak_mib
