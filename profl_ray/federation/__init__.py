"""Who learns from what: data sets, their split over the devices, memory quotas and cohorts."""

from profl_ray.federation.cohort import draw_cohort
from profl_ray.federation.data_sets import DATA_SETS, load_data
from profl_ray.federation.data_split import DataSplit
from profl_ray.federation.examples import Examples, Inputs, Part, check_examples
from profl_ray.federation.partitioners import PARTITIONERS
from profl_ray.federation.pixels import Pixels, image_examples
from profl_ray.federation.quotas import MIB_PER_MB, draw_quotas, draw_uniform_mb
from profl_ray.federation.splitting import split_examples

__all__ = [
    "DATA_SETS",
    "MIB_PER_MB",
    "PARTITIONERS",
    "DataSplit",
    "Examples",
    "Inputs",
    "Part",
    "Pixels",
    "check_examples",
    "draw_cohort",
    "draw_quotas",
    "draw_uniform_mb",
    "image_examples",
    "load_data",
    "split_examples",
]
