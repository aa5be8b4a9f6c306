"""The floor: two processes of one thread each and nothing else. What a platform adds is measured against it.

Every process keeps its model, trains half of the cohort and adds up what comes out; the sums lie in shared
memory. `bench.py` sets the C library to keep freed memory.
"""

import multiprocessing
import os
from time import perf_counter

import numpy as np
import torch
from workload import FedAvgCNN, Files, accuracy, flat_weights, load_weights, prepared, tell, train

NUM_PROCESSES = 2


def work(rank: int, files: Files, weights: torch.Tensor, sums: torch.Tensor, barrier) -> list[float]:
    """Play all rounds as one of the processes; return their seconds."""
    workload = files.workload
    model = FedAvgCNN.channels_last()
    seconds = []
    for number in range(workload.num_rounds):
        started = perf_counter()
        generator = np.random.default_rng((workload.seed, number))
        cohort = generator.choice(workload.num_devices, workload.cohort_size, replace=False)
        total = sums[rank].zero_()
        for device in cohort[rank::NUM_PROCESSES]:
            load_weights(model, weights)
            images, labels = files.device(device)
            order = np.random.default_rng((workload.seed, number, device)).permutation(len(labels))
            train(model, images, labels, workload, torch.from_numpy(order))
            total.add_(flat_weights(model))
        barrier.wait()
        if rank == 0:
            weights.copy_(sums.sum(dim=0).div_(workload.cohort_size))
        barrier.wait()
        seconds.append(perf_counter() - started)
    return seconds


def main() -> None:
    """Fork the other process, play, evaluate."""
    files = prepared()
    weights = torch.from_numpy(files.weights.copy()).share_memory_()
    sums = torch.zeros(NUM_PROCESSES, len(weights)).share_memory_()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(NUM_PROCESSES)
    others = [
        context.Process(target=work, args=(rank, files, weights, sums, barrier))
        for rank in range(1, NUM_PROCESSES)
    ]
    for other in others:
        other.start()
    seconds = work(0, files, weights, sums, barrier)
    for other in others:
        other.join()
    model = FedAvgCNN.channels_last()
    load_weights(model, weights)
    tell(seconds=seconds, accuracy=accuracy(model, files), version=torch.__version__, pid=os.getpid())


if __name__ == "__main__":
    main()
