"""The data set of the recipe: every node can load it, and all load the same."""

from collections.abc import Sequence

from profl_ray.cluster.probe import Answer
from profl_ray.config import DataConfig
from profl_ray.doctor.findings import Finding, fail, ok, warn
from profl_ray.doctor.nodes import by_value, error_of, everywhere, named


def data_findings(config: DataConfig, answers: Sequence[Answer]) -> list[Finding]:
    """Compare the nodes' data sets; any node may become a trial's driver, which loads it."""
    errors = {a.name: error for a in answers if (error := error_of(a.value["data"]))}
    findings = []
    for error, names in by_value(errors).items():
        what, _, fix = error.partition("; ")
        where = f" on {named(names)}" if len(answers) > 1 else ""
        if config.download:
            findings.append(
                warn(
                    "data set",
                    f"not there yet{where}; the first run downloads it ({what})",
                    f"profl-ray run RECIPE data.name={config.name} data.download=true, once, before a sweep",
                )
            )
        else:
            findings.append(
                fail("data set", f"{what}{where}", fix or "data.root=/FOLDER that holds its files")
            )
    digests = by_value({a.name: a.value["data"]["digest"] for a in answers if a.name not in errors})
    if len(digests) > 1:
        listed = "; ".join(f"{digest} on {named(names)}" for digest, names in digests.items())
        fix = "data.root=/FOLDER that all nodes share"
        findings.append(fail("data set", f"{config.name} is not the same everywhere: {listed}", fix))
    if findings:
        return findings
    facts = answers[0].value["data"]
    shape = "x".join(map(str, facts["input_shape"]))
    words = f"{config.name}, {facts['num_examples']} training examples of {shape}"
    return [ok("data set", f"{words}{everywhere(answers)}")]
