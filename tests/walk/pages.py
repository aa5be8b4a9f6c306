"""The commands of a page, in order: those of its code blocks, and those that its prose and tables name."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

PAGES = (
    "README.md",
    "docs/getting-started.md",
    "docs/operating.md",
    "docs/clusters.md",
    "docs/reading-results.md",
    "docs/doctor.md",
    "docs/memory.md",
    "docs/sharing.md",
    "docs/features.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "clusters").glob("*/README.md")),
)
"""Every page that a newcomer types commands from."""

PROGRAMS = frozenset(
    {
        "aws",
        "docker",
        "gcloud",
        "helm",
        "kubectl",
        "kill",
        "make",
        "mlflow",
        "openssl",
        "pip",
        "profl-ray",
        "python",
        "ray",
        "source",
        "ssh",
    }
)
"""What a piece of prose between back quotes begins with if it is a command."""

NAMES = frozenset(
    (
        "kill -9",
        "kubectl kustomize",
        "pip install --dry-run",
        "profl-ray doctor",
        "profl-ray status",
        "profl-ray submit",
        "ray down",
        "ray job submit",
        "ray job submit --working-dir .",
        "ray start",
        "ray stop",
        "ray up",
    )
)
"""What prose between back quotes names without asking anybody to type it."""

_FENCE = re.compile(r"^\s*```(\w*)\s*$")
_SHELL = ("", "sh", "bash", "shell", "console")
_SPAN = re.compile(r"`([^`\n]+)`")


class Command(NamedTuple):
    """One command as written on a page, without the remark behind it."""

    page: str
    line: int
    text: str

    @property
    def place(self) -> str:
        """Where to look for it: PAGE:LINE."""
        return f"{self.page}:{self.line}"


def commands(page: str, text: str | None = None) -> list[Command]:
    """Return the page's commands in order; `text` takes the place of what the file holds."""
    lines = ((ROOT / page).read_text() if text is None else text).splitlines()
    found: list[Command] = []
    number = 0
    while number < len(lines):
        block = _block(lines, number)
        if block is None:
            found += [Command(page, number + 1, span) for span in _spans(lines[number])]
            number += 1
        else:
            first, end, shell = block
            if shell:
                found += _block_commands(page, lines, first, min(end, len(lines)))
            number = end + 1 if _FENCE.match(lines[number]) else end
    return found


def _block(lines: list[str], number: int) -> tuple[int, int, bool] | None:
    """Return first line, end and whether a shell reads it, of the code block that begins at this line."""
    fence = _FENCE.match(lines[number])
    if fence:
        end = next((at for at in range(number + 1, len(lines)) if _FENCE.match(lines[at])), len(lines))
        # What a program prints is shown in fences as well.
        return number + 1, end, fence[1] in _SHELL and not lines[number + 1].startswith(("[", "#"))
    if lines[number].startswith("    ") and (number == 0 or not lines[number - 1].strip()):
        end = number
        while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
            end += 1
        return number, end, True
    return None


def _block_commands(page: str, lines: list[str], first: int, end: int) -> list[Command]:
    """Join what goes on behind a backslash; drop remarks, which begin with # behind a space."""
    found = []
    begun, parts = 0, ""
    for number in range(first, end):
        begun = begun if parts else number + 1
        parts = f"{parts} {lines[number].strip()}".strip()
        if parts.endswith("\\"):
            parts = parts[:-1].strip()
            continue
        text = re.split(r"(?:^|\s)#", parts, maxsplit=1)[0].strip()
        if text:
            found.append(Command(page, begun, text))
        parts = ""
    return found


def _spans(line: str) -> list[str]:
    """Return what stands between back quotes and is a command with at least one word behind it."""
    spans = [span.strip() for span in _SPAN.findall(line)]
    return [span for span in spans if " " in span and span.split()[0] in PROGRAMS and span not in NAMES]
