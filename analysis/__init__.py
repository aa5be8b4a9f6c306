"""Results of sweeps, read from MLflow: tables, figures, and one HTML report. Knows no trainer."""

from analysis.pictures import write_pictures
from analysis.report import write_report
from analysis.rows import Row, result_rows
from analysis.steps import steps_as_markdown
from analysis.summary import summary_text
from analysis.table import as_csv, as_markdown, as_text
from analysis.verdict import description

__all__ = [
    "Row",
    "as_csv",
    "as_markdown",
    "as_text",
    "description",
    "result_rows",
    "steps_as_markdown",
    "summary_text",
    "write_pictures",
    "write_report",
]
