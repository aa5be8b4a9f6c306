"""One GPU: images a second of a plain loop, of our fleet, and of several devices packed on the card.

    python benchmarks/gpu.py [--accelerator cpu --small]   # the second: to see that it works

ResNet18 at full width, images 3x32x32, every device 512 images in batches of 32, SGD with momentum: what a
federation trains. Every line is the median of passes over all devices, the first left out. Small batches
leave a large card idle between kernels; packing is about filling these gaps.
"""

import argparse
import math
import multiprocessing
import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from profl_ray.config import load_experiment
from profl_ray.federation import DataSplit, Examples, image_examples
from profl_ray.memory import Demand
from profl_ray.models import Network, find_family, initialise
from profl_ray.strategies import full_task
from profl_ray.strategies.base import initial_state, task_state
from profl_ray.training import DeviceOrder, DeviceWorker, GroupOrder, LocalTask, WorkerSettings

MOMENTUM, RATE, DECAY = 0.9, 0.05, 5e-4


@dataclass(frozen=True)
class Case:
    """The workload."""

    model: str = "resnet18"
    width: float = 1.0
    num_devices: int = 16
    examples_per_device: int = 512
    batch_size: int = 32
    num_passes: int = 4
    accelerator: str = "cuda"

    @property
    def num_examples(self) -> int:
        """Images of a pass."""
        return self.num_devices * self.examples_per_device

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return torch.device(self.accelerator)

    def task(self) -> LocalTask:
        """Return full training of the network."""
        network = Network(self.model, self.width, (3, 32, 32), 10, find_family(self.model).stages)
        settings = [f"training.batch_size={self.batch_size}", "training.local_epochs=1"]
        settings += [f"training.learning_rate={RATE}", f"training.momentum={MOMENTUM}"]
        return full_task(network, load_experiment("paper", [*settings, f"training.weight_decay={DECAY}"]))

    def data(self) -> Examples:
        """Return random images; a pass takes as long on them as on any."""
        generator = np.random.default_rng(0)
        images = generator.integers(0, 256, (self.num_examples, 3, 32, 32), dtype=np.uint8)
        labels = np.arange(self.num_examples) % 10
        return image_examples(images, labels, images[:10], labels[:10], 10, "random")

    def resident(self) -> tuple[nn.Module, Tensor, Tensor]:
        """Return a model, and all images and labels, on the device."""
        model = self.task().build()
        initialise(model, 0)
        model.to(self.device, memory_format=torch.channels_last)
        images = torch.randn(self.num_examples, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        return model, images.to(self.device), (torch.arange(self.num_examples) % 10).to(self.device)


def plain_loop(case: Case) -> Callable[[], None]:
    """One model, all images in batches: what a centralised training does."""
    model, images, labels = case.resident()
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, weight_decay=DECAY, fused=True)

    def one_pass() -> None:
        order = torch.randperm(len(labels), device=case.device)
        for batch in order.split(case.batch_size):
            optimizer.zero_grad()
            inputs = images[batch].contiguous(memory_format=torch.channels_last)
            functional.cross_entropy(model(inputs), labels[batch]).backward()
            optimizer.step()

    return one_pass


def fleet(case: Case) -> Callable[[], None]:
    """Our worker, one device after another: weights set, local epoch, update collected and summed."""
    data, task = case.data(), case.task()
    shares = np.arange(case.num_examples).reshape(case.num_devices, -1)
    settings = WorkerSettings(1, False, True, 1024.0, case.accelerator)
    worker = DeviceWorker(data, DataSplit(tuple(shares)), settings)
    state = task_state(task, initial_state(task.model, 0), "0")
    devices = tuple(DeviceOrder(index, 0, 1e6) for index in range(case.num_devices))
    order = GroupOrder(0, (0, 1), 1, devices, (Demand(1.0, 1.0),))

    def one_pass() -> None:
        result = worker.train(order, [state])
        assert all(report.failure is None for report in result.reports), result.reports

    return one_pass


def streams(case: Case, num_streams: int) -> Callable[[], None]:
    """Threads of this process, each with a model and a stream of its own."""
    share = replace(case, num_devices=case.num_devices // num_streams)
    passes = [plain_loop(share) for _ in range(num_streams)]

    def run(one: Callable[[], None], stream: Any) -> None:
        with torch.cuda.stream(stream):
            one()

    made = [torch.cuda.Stream() for _ in passes]

    def one_pass() -> None:
        threads = [threading.Thread(target=run, args=pair) for pair in zip(passes, made, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return one_pass


class _Step:
    """A captured training step: its input is copied into place, then the graph is replayed."""

    def __init__(self, case: Case) -> None:
        self.model, self.images, self.labels = case.resident()
        self.batch = torch.arange(case.batch_size, device=case.device)
        optimizer = torch.optim.SGD(self.model.parameters(), RATE, MOMENTUM, weight_decay=DECAY, fused=True)
        self.stream = torch.cuda.Stream()
        self.stream.wait_stream(torch.cuda.current_stream())

        def step() -> None:
            optimizer.zero_grad()
            inputs = self.images[self.batch].contiguous(memory_format=torch.channels_last)
            functional.cross_entropy(self.model(inputs), self.labels[self.batch]).backward()
            optimizer.step()

        with torch.cuda.stream(self.stream):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(self.stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=self.stream):
            step()

    def replay(self, batch: Tensor) -> None:
        with torch.cuda.stream(self.stream):
            self.batch.copy_(batch)
            self.graph.replay()


def graph(case: Case) -> Callable[[], None]:
    """The step as a CUDA graph. (Two graphs on two streams crashed in replay with PyTorch 2.11.)"""
    step = _Step(case)

    def one_pass() -> None:
        order = torch.randperm(case.num_examples, device=case.device)
        torch.cuda.synchronize()
        for batch in order.split(case.batch_size):
            step.replay(batch)

    return one_pass


def vmapped(case: Case, num_devices: int) -> Callable[[], None]:
    """`torch.func.vmap` over devices: their weights stacked, their convolutions one grouped convolution."""
    share = replace(case, num_devices=case.num_devices // num_devices)
    model, images, labels = share.resident()
    model.to(memory_format=torch.contiguous_format)  # vmap cannot clone other layouts.
    parameters, buffers = torch.func.stack_module_state([model] * num_devices)
    parameters = {name: value.detach() for name, value in parameters.items()}
    momenta = {name: torch.zeros_like(value) for name, value in parameters.items()}

    def loss(parameters: Any, buffers: Any, inputs: Tensor, wanted: Tensor) -> Tensor:
        return functional.cross_entropy(
            torch.func.functional_call(model, (parameters, buffers), inputs), wanted
        )

    gradients_of = torch.func.vmap(torch.func.grad(loss), randomness="error")

    def one_pass() -> None:
        orders = torch.stack([torch.randperm(len(labels), device=case.device) for _ in range(num_devices)])
        for batch in orders.split(case.batch_size, dim=1):
            gradients = gradients_of(parameters, buffers, images[batch], labels[batch])
            for name, gradient in gradients.items():
                gradient.add_(parameters[name], alpha=DECAY)
                momenta[name].mul_(MOMENTUM).add_(gradient)
                parameters[name].sub_(momenta[name], alpha=RATE)

    return one_pass


def timed(case: Case, one_pass: Callable[[], None]) -> list[float]:
    """Return the seconds of the passes but the first."""
    seconds = []
    for _ in range(case.num_passes):
        started = perf_counter()
        one_pass()
        if case.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(perf_counter() - started)
    return seconds[1:]


def _process(case: Case, barrier: Any, answers: Any) -> None:
    torch.set_num_threads(1)
    one_pass = fleet(case)
    one_pass()
    barrier.wait()
    started = perf_counter()
    for _ in range(3):
        one_pass()
    answers.put((perf_counter() - started) / 3)


def processes(case: Case, num_processes: int) -> list[float]:
    """Return the seconds of a pass by so many processes, each with our worker (Ray: fractions of a GPU)."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(num_processes), context.Queue()
    share = replace(case, num_devices=case.num_devices // num_processes)
    started = [context.Process(target=_process, args=(share, barrier, answers)) for _ in range(num_processes)]
    for process in started:
        process.start()
    seconds = [answers.get(timeout=300) for _ in started]
    for process in started:
        process.join()
    return [max(seconds)]


def contestants(case: Case) -> Iterator[tuple[str, Case, Callable[[Case], Any]]]:
    """Yield name, workload, and what is measured."""
    yield "plain loop, batches of 32", case, plain_loop
    for size in (128, 512):
        yield f"plain loop, batches of {size} (another training)", replace(case, batch_size=size), plain_loop
    yield "in-process fleet", case, fleet
    if case.accelerator == "cuda":
        for number in (2, 4):
            yield f"{number} threads, a stream each", case, lambda c, n=number: streams(c, n)
        yield "plain loop as a CUDA graph", case, graph
    for number in (2, 4, 16):
        yield f"vmap over {number} devices", case, lambda c, n=number: vmapped(c, n)


@contextmanager
def told(name: str) -> Iterator[None]:
    """Say what did not work, and continue: the others are still worth knowing."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        print(f"| {name} | failed: {str(error).splitlines()[0][:90]} | | |", flush=True)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accelerator", default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", default="", help="contestants whose names hold this")
    arguments = parser.parse_args()
    case = Case(accelerator=arguments.accelerator)
    if arguments.small:
        case = replace(case, width=0.125, examples_per_device=32, batch_size=8, num_passes=2)
    torch.set_num_threads(1)
    torch.backends.cudnn.deterministic = case.accelerator == "cuda"
    name = torch.cuda.get_device_name() if case.accelerator == "cuda" else "CPU, one thread"
    print(f"{name}, PyTorch {torch.__version__}\n")
    print("| how | images a second | to the plain loop | GPU MiB |\n|---|---|---|---|", flush=True)
    plain = math.nan
    for title, workload, make in contestants(case):
        if arguments.only not in title:
            continue
        with told(title):
            if case.accelerator == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            speed = workload.num_examples / statistics.median(timed(workload, make(workload)))
            plain = speed if math.isnan(plain) else plain
            mib = torch.cuda.max_memory_reserved() / 2**20 if case.accelerator == "cuda" else 0
            print(f"| {title} | {speed:,.0f} | {speed / plain:.2f} | {mib:,.0f} |", flush=True)
    for number in (2, 4, 8):
        title = f"{number} processes, the in-process fleet each"
        if arguments.only in title:
            with told(title):
                speed = case.num_examples / statistics.median(processes(case, number))
                print(f"| {title} | {speed:,.0f} | {speed / plain:.2f} | |", flush=True)


if __name__ == "__main__":
    main()
