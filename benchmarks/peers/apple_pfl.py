"""Apple's pfl: two workers of one thread, joined by torch.distributed (gloo). Its own loop trains a device.

Run once a worker; `bench.py` sets PFL_WORKER_ADDRESSES, and PFL_WORKER_RANK for each.
"""

import importlib.metadata
import os
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.pytorch import PyTorchTensorDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from torch import Tensor
from torch.nn import functional
from workload import FedAvgCNN, accuracy, load_weights, prepared, tell


class PflCNN(FedAvgCNN):
    """The model with what pfl asks of one."""

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of a batch."""
        return functional.cross_entropy(self(images.contiguous(memory_format=torch.channels_last)), labels)

    @torch.no_grad()
    def metrics(self, images: Tensor, labels: Tensor) -> dict[str, Weighted]:
        """Return what pfl would evaluate; nothing is, before the end."""
        return {"loss": Weighted(float(self.loss(images, labels)) * len(labels), len(labels))}


class Clock(TrainingProcessCallback):
    """Notes when rounds end."""

    def __init__(self) -> None:
        self.clocks: list[float] = []

    def on_train_begin(self, *, model: PyTorchModel) -> Metrics:
        """Note the beginning."""
        self.clocks.append(perf_counter())
        return Metrics()

    def after_central_iteration(self, *arguments: Any, **named: Any) -> tuple[bool, Metrics]:
        """Note the end of a round."""
        self.clocks.append(perf_counter())
        return False, Metrics()


def main() -> None:
    """Run as one worker; the first tells the result."""
    files = prepared()
    workload = files.workload
    np.random.seed(workload.seed)
    torch.manual_seed(workload.seed)
    module = PflCNN.channels_last()
    load_weights(module, torch.from_numpy(files.weights.copy()))
    model = PyTorchModel(
        module,
        lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, fused=True),
        torch.optim.SGD(module.parameters(), lr=1.0),
    )
    data = FederatedDataset(
        lambda device: PyTorchTensorDataset(files.device(device), user_id=str(device)),
        get_user_sampler("minimize_reuse", list(range(workload.num_devices))),
    )
    clock = Clock()
    FederatedAveraging().run(
        NNAlgorithmParams(
            central_num_iterations=workload.num_rounds,
            evaluation_frequency=workload.num_rounds + 1,
            train_cohort_size=workload.cohort_size,
            val_cohort_size=0,
        ),
        SimulatedBackend(data, data),
        model,
        NNTrainHyperParams(
            local_batch_size=workload.batch_size,
            local_num_epochs=1,
            local_learning_rate=workload.learning_rate,
        ),
        NNEvalHyperParams(local_batch_size=250),
        [clock],
        send_metrics_to_platform=False,
    )
    if os.environ["PFL_WORKER_RANK"] == "0":
        seconds = [later - earlier for earlier, later in pairwise(clock.clocks)]
        tell(seconds=seconds, accuracy=accuracy(module, files), version=importlib.metadata.version("pfl"))


if __name__ == "__main__":
    main()
