"""Whether a run that is resumed finds the data and quotas that it was begun with, wherever they lie now."""

from collections.abc import Iterator

from profl_ray.config.load import flatten
from profl_ray.errors import UserError
from profl_ray.server.experiment import Experiment
from profl_ray.server.run_folder import RunFolder

_PLACES = {"data": "data.root", "quotas": "federation.quotas.path"}


def check_contents(folder: RunFolder, experiment: Experiment) -> Iterator[str]:
    """Compare what was read with the digests that a run noted; yield in a line what cannot be compared.

    Raises UserError if it is something else: the run would be resumed with other data than it was begun with.
    """
    noted = folder.facts().get("contents", {})
    for what, digest in experiment.contents.items():
        if noted.get(what) == digest:
            continue
        key = _PLACES[what]
        before, now = flatten(folder.config())[key], flatten(experiment.config)[key]
        if what in noted:
            raise UserError(
                f"{key}={now} holds other {what} than the run was begun with ({key}={before}): "
                f"put them back, or name the place that has them, {key}=..."
            )
        if before != now:
            yield f"{key} is {now} and was {before}: whether the {what} are the same was not noted"
    begun = folder.facts().get("plugins", {})
    for key, digest in experiment.plugins.items():
        if key in begun and begun[key] != digest:
            yield f"{key}={flatten(experiment.config)[key]} was edited since the run was begun"
