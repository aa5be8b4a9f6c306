"""What of a configuration is the experiment's, and what is a fact of the place where it runs.

A run or sweep that is resumed keeps the experiment that it was begun with; the place may be another one.
"""

PLACE = ("storage.", "tracking.", "data.root", "data.download", "federation.quotas.path")
"""Keys, or their beginnings, of where files lie and where results are tracked. What the files hold is the
experiment's: a run notes the digest of its data, and of quotas that come from a file."""
FLEET = ("fleet.",)
"""Who computes: nothing there changes the trained weights ..."""
EXPERIMENT = ("fleet.cohort_groups",)
"""... but this."""


def is_of_the_place(key: str) -> bool:
    """Say whether a dotted key is a fact of the place."""
    return key.startswith(PLACE)


def may_differ(key: str) -> bool:
    """Say whether a run that is resumed may have another value of a dotted key than it was begun with."""
    return key.startswith((*PLACE, *FLEET)) and key not in EXPERIMENT


def in_words() -> str:
    """Return the keys that may differ, for the pages."""
    keys = [f"`{key}*`" if key.endswith(".") else f"`{key}`" for key in (*PLACE, *FLEET)]
    return f"{', '.join(keys)} (without {', '.join(f'`{key}`' for key in EXPERIMENT)})"
