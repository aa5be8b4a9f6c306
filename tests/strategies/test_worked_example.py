"""What docs/adding-a-strategy.md promises beyond the contract suite, which runs its strategy, too."""

from .play import case_experiment, trace
from .worked_example import code


def test_it_is_short() -> None:
    assert len(code().splitlines()) < 60


def test_devices_train_the_longest_suffix_that_they_can_afford() -> None:
    run = trace("suffix")
    tasks = [task for _, task in case_experiment("suffix").make_strategy().schedule()]
    needs = [run.experiment.estimate(task).mib for task in tasks]
    assert needs == sorted(needs, reverse=True) and len(set(needs)) > 1
    assert {index for moment in run.moments for index in moment.sums} == {0, 2}
