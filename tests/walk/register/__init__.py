"""How each command of the pages is treated: page by page, every command in the page's order.

A command that is not here, and an entry that is not on its page, fail `test_register.py`.
"""

from ..steps import Entry, Walk
from . import cloud, docs, local, readme

WALKS = {
    "one experiment": Walk(("README.md",), long=False),
    "secrets": Walk(
        ("clusters/aws/README.md", "clusters/gcp/README.md", "clusters/on-premise/README.md"), long=False
    ),
    "demo": Walk(("README.md", "docs/reading-results.md")),
    "use it": Walk(("README.md", "docs/reading-results.md")),
    "a cluster": Walk(("docs/getting-started.md", "docs/operating.md")),
    "by hand": Walk(("clusters/local/README.md",)),
    "the real job": Walk(("clusters/docker/README.md", "docs/doctor.md", "docs/operating.md", "README.md")),
}

REGISTER: dict[str, list[Entry | tuple[Entry, ...]]] = {
    **readme.PAGES,
    **docs.PAGES,
    **local.PAGES,
    **cloud.PAGES,
}


def entries(group: Entry | tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the entries of one command: one, or several where it is walked in several walks."""
    return group if isinstance(group, tuple) else (group,)
