"""`profl-ray compare` as a user runs it: one table, whatever a method can afford."""

import json

from profl_ray.tracking import read_sweep

TOO_RICH_FOR_ALL = (
    "federation.quotas.name=uniform_fraction",
    "federation.quotas.low_fraction=0.7",
    "federation.quotas.high_fraction=0.9",
)
SHORT = (
    "strategy.rounds=2",
    "evaluation.every_rounds=1",
    "training.local_epochs=1",
    "data.examples_per_device=20",
    # For one method alone; the other has as many as the recipe says.
    "allsmall:evaluation.batch_size=100",
)


def test_methods_on_the_same_federation_end_in_one_table(program, runs):
    methods = ("--strategies", "allsmall,exclusive", "--seeds", "1,2")
    settings = (*TOO_RICH_FOR_ALL, *SHORT, f"storage.root={runs}")
    result = program.run("compare", "digits_tiny", *methods, *settings, "--json", timeout=480)
    assert result.code == 0, result.out + result.err
    outcome = json.loads(result.last)
    assert (outcome["num_trials"], outcome["num_failed"]) == (4, 0)

    lines = result.out.splitlines()
    header = next(line for line in lines if line.startswith("#"))
    for word in (
        "method",
        "seeds",
        "accuracy",
        "peak MiB",
        "reduction",
        "participation",
        "up MiB",
        "seconds",
    ):
        assert word in header
    table = {line.split()[1]: line for line in lines[lines.index(header) + 2 :][:2]}
    assert "+-" in table["allsmall"]
    assert "n/a" in table["exclusive"] and " 0.0 %" in table["exclusive"], "participation 0"

    sweep = read_sweep(f"sqlite:///{runs}/mlflow.db", "profl-ray", outcome["sweep"])
    assert len(sweep.trials) == 4
    quotas = {(trial.params["seed"], tuple(trial.quotas_mib)) for trial in sweep.trials if trial.quotas_mib}
    assert len(quotas) == 2, "one draw per seed, for all methods"
    program.wait_until_nothing_is_left()
