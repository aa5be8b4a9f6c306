"""What `ray job submit --working-dir .` would upload from here."""

from pathlib import Path

from profl_ray.doctor.findings import Finding, ok, warn
from profl_ray.launch.upload import upload_limit_bytes, upload_size

CHECK = "upload"
_MIB = 2**20


def upload_findings(folder: Path) -> list[Finding]:
    """Compare the size of `folder`, without what its .gitignore and .rayignore name, with Ray's limit."""
    try:
        total, entries = upload_size(folder)
    except ImportError as error:
        fix = "du -sh --exclude=.git . before ray job submit --working-dir ."
        return [warn(CHECK, f"not measured: this Ray keeps its helpers elsewhere ({error})", fix)]
    limit = upload_limit_bytes()
    command = "ray job submit --working-dir ."
    if total <= limit:
        return [ok(CHECK, f"{command} uploads {total / _MIB:.1f} MiB, at most {limit / _MIB:.0f} are taken")]
    largest = sorted(entries, key=lambda name: -entries[name])[:3]
    listed = ", ".join(f"{name} {entries[name] / _MIB:.0f}" for name in largest)
    return [
        warn(
            CHECK,
            f"{command} fails here: at most {limit / _MIB:.0f} MiB are taken, and there are {listed} MiB",
            f"echo {largest[0]} >> .rayignore, in {folder}",
        )
    ]
