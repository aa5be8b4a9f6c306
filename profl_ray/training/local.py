"""One device's local training: epochs over its images, in an order of its own stream."""

import torch
from torch import Tensor, nn

from profl_ray.randomness import numpy_stream
from profl_ray.training.images import crop_and_flip
from profl_ray.training.task import LocalTask


def train_locally(
    model: nn.Module,
    task: LocalTask,
    images: Tensor,
    labels: Tensor,
    augment: bool,
    seed: int,
    stream: tuple[str | int, ...],
    step_round: int = 1,
) -> float:
    """Train `model` in place on images [N, C, H, W] and labels [N]; return the last epoch's mean loss.

    A last batch of a single image is left out, since batch norm needs two values; but not if it is the only
    one, and not if every batch has one image.
    """
    generator = numpy_stream(seed, "local", *stream)
    procedure = task.procedure.begin(labels, step_round)
    optimizer = procedure.make_optimizer(model)
    num_images = len(labels)
    # Summed where the model is: to fetch every batch's loss would make a GPU wait.
    loss_sum = torch.zeros((), dtype=torch.float64, device=labels.device)
    num_seen = 0
    for _ in range(procedure.local_epochs):
        order = torch.from_numpy(generator.permutation(num_images)).to(labels.device)
        loss_sum.zero_()
        num_seen = 0
        for batch in order.split(task.batch_size):
            if len(batch) == 1 < min(num_images, task.batch_size):
                continue
            batch_images = images[batch]
            if augment:
                batch_images = crop_and_flip(batch_images, generator)
            batch_images = batch_images.contiguous(memory_format=torch.channels_last)
            loss = procedure.train_batch(model, optimizer, batch_images, labels[batch])
            loss_sum += loss.double() * len(batch)
            num_seen += len(batch)
    return float(loss_sum) / num_seen
