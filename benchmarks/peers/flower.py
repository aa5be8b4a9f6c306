"""Flower's simulation engine: two client actors of one CPU, FedAvg, local training as everywhere here."""

import sys
from itertools import pairwise
from time import perf_counter

import flower_client
import flwr
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from workload import FedAvgCNN, accuracy, load_weights, prepared, tell


def main() -> None:
    """Run the simulation."""
    files = prepared()
    workload = files.workload
    model = FedAvgCNN.channels_last()
    load_weights(model, torch.from_numpy(files.weights.copy()))
    clocks: list[float] = []
    reached = []

    def after_round(number: int, arrays: ArrayRecord) -> MetricRecord | None:
        """Note the time; the model is evaluated after the last round only."""
        clocks.append(perf_counter())
        if number == workload.num_rounds:
            model.load_state_dict(arrays.to_torch_state_dict())
            reached.append(accuracy(model, files))
        return None

    server = ServerApp()

    @server.main()
    def serve(grid: Grid, context: Context) -> None:
        strategy = FedAvg(
            fraction_train=workload.cohort_size / workload.num_devices,
            fraction_evaluate=0.0,
            min_available_nodes=workload.num_devices,
        )
        strategy.start(
            grid=grid,
            initial_arrays=ArrayRecord(model.state_dict()),
            num_rounds=workload.num_rounds,
            train_config=ConfigRecord({"folder": sys.argv[1]}),
            evaluate_fn=after_round,
        )

    run_simulation(
        server_app=server,
        client_app=flower_client.app,
        num_supernodes=workload.num_devices,
        backend_config={
            "init_args": {"num_cpus": 2, "include_dashboard": False},
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        },
    )
    seconds = [later - earlier for earlier, later in pairwise(clocks)]
    tell(seconds=seconds, accuracy=reached[0], version=flwr.__version__)


if __name__ == "__main__":
    main()
