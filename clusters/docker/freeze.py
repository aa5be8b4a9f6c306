"""Print docker/constraints.txt: the versions, in this environment, of all that the image will install.

    pip install --editable . --requirement clusters/docker/requirements.txt
    python clusters/docker/freeze.py > clusters/docker/constraints.txt

`pip freeze` would also print test tools and whatever else lies in the environment.
"""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HEADER = """\
# Versions of the image, down to the last dependency. Made by clusters/docker/freeze.py, which says how.
# PyTorch's CUDA libraries are listed, and installed only where its build asks for them.
"""


def closure(asked: list[Requirement]) -> dict[str, str]:
    """Return name -> version of what `asked` installs here, dependencies included.

    Raises SystemExit, in one line, if something is missing.
    """
    versions: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    while asked:
        requirement = asked.pop()
        name = canonicalize_name(requirement.name)
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            raise SystemExit(f"freeze.py: {name} is not installed here; its docstring says how") from None
        versions[name] = installed.version
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            needs = [Requirement(line) for line in installed.requires or []]
            asked += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
    return versions


def main() -> None:
    """Print the header and one pin a line, sorted."""
    lines = (Path(__file__).parent / "requirements.txt").read_text().splitlines()
    extra = [line.partition("#")[0].strip() for line in lines]
    versions = closure([Requirement("profl-ray"), *(Requirement(line) for line in extra if line)])
    del versions["profl-ray"]
    sys.stdout.write(HEADER + "".join(f"{name}=={versions[name]}\n" for name in sorted(versions)))


if __name__ == "__main__":
    main()
