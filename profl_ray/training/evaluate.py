"""Evaluation of a model on images."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from profl_ray.training.orders import EvaluationSum


@torch.no_grad()
def evaluate_images(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> EvaluationSum:
    """Return correct answers and summed cross-entropy of logits for images [N, C, H, W], labels [N].

    Sets the model to evaluation mode. A model with several outputs gives its prediction in that mode.
    """
    model.eval()
    num_correct, loss_sum = 0, 0.0
    for batch_images, batch_labels in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        logits = model(batch_images.contiguous(memory_format=torch.channels_last))
        num_correct += int((logits.argmax(dim=1) == batch_labels).sum())
        loss_sum += float(functional.cross_entropy(logits, batch_labels, reduction="sum").double())
    return EvaluationSum(num_correct, loss_sum, len(labels))
