"""Our strategies and their variants, and the pages' examples, in the suite that ships for everybody's."""

from profl_ray.testing import StrategyContract

from .play import CASES

IGNORES_QUOTAS = ("fedavg",)
"""The case of FedAvg's variant `ideal`."""

for _case, _overrides in CASES.items():
    _name = f"Test{_case.title().replace(' ', '')}"
    globals()[_name] = type(
        _name,
        (StrategyContract,),
        {
            "strategy": _case.split()[0],
            "overrides": _overrides,
            "respects_quotas": _case not in IGNORES_QUOTAS,
            "__doc__": _case,
        },
    )


def test_every_case_is_held_against_the_contract() -> None:
    classes = [value for value in globals().values() if isinstance(value, type)]
    assert sum(issubclass(kind, StrategyContract) for kind in classes) == len(CASES) + 1
