"""The registry: unknown names, and a made-up family that needs nothing else changed."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from torch import nn

from profl_ray.config.load import load_experiment
from profl_ray.errors import UserError
from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.models import FAMILIES, Convolutional, find_family
from profl_ray.models.unit import Unit, scaled
from profl_ray.server.experiment import assemble
from profl_ray.server.rounds import Server


@dataclass(frozen=True)
class Wide(Convolutional):
    """Three convolutions, the second with a stride of 4 and without batch norm, the third grouped."""

    stages: tuple[int, ...] = (1, 1, 1)

    def units(self, input_shape: tuple[int, ...], width: float, rate: float) -> list[Unit]:
        in_channels = input_shape[0]
        a, b = scaled(8, width), scaled(12, width)
        return [
            Unit(
                nn.Conv2d(in_channels, a, 3, padding=1),
                nn.BatchNorm2d(a),
                in_channels=in_channels,
                out_channels=a,
                stride=1,
            ),
            Unit(nn.Conv2d(a, a, 5, stride=4, padding=2), nn.Tanh(), in_channels=a, out_channels=a, stride=4),
            Unit(
                nn.Conv2d(a, b, 3, padding=1, groups=a // 2),
                nn.ReLU(inplace=True),
                in_channels=a,
                out_channels=b,
                stride=1,
            ),
        ]


def test_unknown_family() -> None:
    with pytest.raises(UserError, match=r"^unknown model 'resnet-18'; did you mean 'resnet18'"):
        find_family("resnet-18")
    assert find_family("resnet18") is FAMILIES["resnet18"]


def test_a_new_family_needs_nothing_else_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Partition, needs, schedule, every step and evaluation work with one line in the registry."""
    monkeypatch.setitem(FAMILIES, "wide", Wide())
    overrides = ["data.examples_per_device=16", "data.test_examples=30", "federation.num_devices=4"]
    overrides += ["federation.cohort_size=2", "federation.quotas.low_fraction=1.5", "training.local_epochs=1"]
    overrides += ["federation.quotas.high_fraction=1.6", "freezing.name=fixed_rounds", "freezing.rounds=1"]
    overrides += ["freezing.min_rounds=1", "strategy.profl.map_rounds=1", f"storage.root={tmp_path}"]
    for partition, num_steps in (("stages", 7), (2, 4)):
        config = load_experiment(
            "digits_tiny", [*overrides, "model.name=wide", f"model.partition={partition}"]
        )
        experiment = assemble(config)
        server = Server(experiment, InProcessFleet(experiment))
        needs = experiment.step_needs(server.strategy)
        assert len(needs) == num_steps and all(need.need_mib > 0 for need in needs)
        records = []
        while not server.finished:
            records.append(server.play_round())
        assert len(records) == num_steps and records[-1].units_grown == 3
        assert all(len(record.trained) == 2 and not record.failed for record in records)
        assert all(record.test_accuracy is not None for record in records)
