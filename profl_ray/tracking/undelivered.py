"""What a run could not deliver to MLflow."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Undelivered:
    """Counts of what was lost; true when there is any."""

    points: int = 0
    """Metric values."""
    files: int = 0
    """Artifacts."""
    error: str = ""
    """The last error of the store."""

    def __bool__(self) -> bool:
        """Whether anything was lost."""
        return bool(self.points or self.files)

    def __str__(self) -> str:
        """Return it in words."""
        if not self:
            return "everything was delivered to MLflow"
        lost = f"{self.points} metric values and {self.files} files"
        return f"{lost} could not be delivered to MLflow ({self.error})"
