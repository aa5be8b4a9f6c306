"""How what comes from outside gets to other processes: as source, with the job's connection to Ray.

A worker of Ray calls `install` before it does anything else; classes are found by the names of their
modules then, whatever is unpickled first. Nothing has to lie on the other machine.
"""

from profl_ray.plugins.finding import PLUGINS, arrived
from profl_ray.plugins.source import Plugin, register

Carried = tuple[tuple[str, Plugin], ...]


def carried() -> Carried:
    """Return what this process knows and others must: by what names it."""
    return tuple(sorted(PLUGINS.items(), key=lambda item: item[0]))


def install(plugins: Carried) -> None:
    """Let this process import what another one carried; nothing is executed yet."""
    arrived(plugins)
    for _, plugin in plugins:
        register(plugin.modules)
