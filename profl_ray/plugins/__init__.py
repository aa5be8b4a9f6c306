"""Strategies, models, data sets, partitioners and search spaces from outside the package."""

from profl_ray.plugins.finding import (
    absolute,
    copies_of,
    identity,
    is_file,
    is_reference,
    sources_of,
    target_of,
    use_copies,
)
from profl_ray.plugins.loading import digest_of, load, load_all, loaded_digest, mistakes_told
from profl_ray.plugins.travelling import Carried, carried, install

__all__ = [
    "Carried",
    "absolute",
    "carried",
    "copies_of",
    "digest_of",
    "identity",
    "install",
    "is_file",
    "is_reference",
    "load",
    "load_all",
    "loaded_digest",
    "mistakes_told",
    "sources_of",
    "target_of",
    "use_copies",
]
