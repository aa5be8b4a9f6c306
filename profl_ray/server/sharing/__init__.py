"""Rounds that several runs have in common are trained once.

A setting matters only from the first round that it can influence. Runs that differ in their freezing rule
walk the same path until one of them freezes; runs that differ in the growing stage share all of shrinking.
Every round is kept under the key of all that has influenced it; a run replays what is kept, trains the rest.
"""

from profl_ray.server.sharing.server import SharingServer, shares_rounds

__all__ = ["SharingServer", "shares_rounds"]
