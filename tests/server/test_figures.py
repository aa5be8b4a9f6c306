"""Figures of a method: recorded with the round, finite alone, under names of their own."""

from dataclasses import replace

import numpy as np
import pytest

from profl_ray.fleet.in_process import InProcessFleet
from profl_ray.server.experiment import assemble
from profl_ray.server.figures import RESERVED, over_devices, round_figures
from profl_ray.server.rounds import Server
from profl_ray.tracking.points import Totals, round_points
from profl_ray.training import DeviceReport

from .kit import short_config


def test_only_finite_figures_are_recorded_as_plain_numbers():
    told = {"density": np.float32(0.5), "clusters": 3, "a": float("nan"), "b": float("-inf")}
    figures = round_figures("mine", told)
    assert figures == {"density": 0.5, "clusters": 3.0}
    assert {type(value) for value in figures.values()} == {float}


@pytest.mark.parametrize("name", ["need_mib", "final_accuracy", "worst_class_recall", "num_failed", "rounds"])
def test_a_name_of_the_platform_is_refused_and_the_strategy_named(name):
    with pytest.raises(ValueError, match=rf"strategy 'mine' has a figure '{name}', which the platform"):
        round_figures("mine", {name: 1.0})


@pytest.mark.parametrize("name", ["", "2nd", "a b", "a\nb", "x" * 300])
def test_a_name_that_mlflow_would_not_take_is_refused(name):
    with pytest.raises(ValueError, match="a name begins with a letter"):
        round_figures("mine", {name: 1.0})


def test_every_metric_of_a_round_is_reserved(make_record):
    record = make_record(test_recalls=(0.5,), measured_peak_mib=1.0)
    assert set(round_points(record, Totals())) <= RESERVED


def test_what_a_strategy_tells_is_in_the_record(tmp_path, monkeypatch):
    experiment = assemble(short_config(tmp_path))
    server = Server(experiment, InProcessFleet(experiment))
    monkeypatch.setattr(server.strategy, "figures", lambda: {"density": 0.25, "odd": float("nan")})
    assert server.play_round().figures == {"density": 0.25}
    monkeypatch.setattr(server.strategy, "figures", lambda: {"need_mib": 1.0})
    with pytest.raises(ValueError, match="strategy 'profl' has a figure 'need_mib'"):
        server.play_round()


def test_devices_figures_are_taken_together():
    told = [{"a": 1.0, "b": 3.0}, {"a": 2.0}, {"a": 9.0}]
    reports = [DeviceReport(n, 0, 5, 0.5, 0.1, figures=figures) for n, figures in enumerate(told)]
    reports[2] = replace(reports[2], failure="too much")
    means = {"a": 1.5, "a_lowest": 1.0, "a_highest": 2.0}
    assert over_devices(reports) == means | {"b": 3.0, "b_lowest": 3.0, "b_highest": 3.0}
