"""The one estimator that gates every method: PyTorch's MemTracker over fake tensors.

Nothing is allocated and nothing is computed: two local steps run on tensors without storage while MemTracker
follows every storage's life. Two, so that the optimizer's state counts.
"""

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from profl_ray.memory.need import Need
from profl_ray.memory.trainable import Trainable


def estimate_need(task: Trainable) -> Need:
    """Return the peak memory of training `task` at its batch size, float32, on any device type."""
    # Imported here: it brings the compiler, 100 MiB that client actors do not need.
    from torch.distributed._tools.mem_tracker import MemTracker

    with FakeTensorMode():
        model = task.build()
        _frozen_parameters_to_buffers(model)
        optimizer = task.make_optimizer(model)
        tracker = MemTracker()
        tracker.track_external(*([model] if optimizer is None else [model, optimizer]))
        with tracker:
            for _ in range(2):
                images = torch.empty(task.batch_size, *task.image_shape)
                labels = torch.zeros(task.batch_size, dtype=torch.int64)
                task.train_batch(model, optimizer, images, labels)
                del images, labels
                tracker.reset_mod_stats()
        (peak,) = tracker.get_tracker_snapshot("peak").values()
    parts = {str(getattr(kind, "value", kind)): size for kind, size in peak.items()}
    return Need(
        parameters_bytes=parts["Parameter"] + parts["Buffer"],
        gradients_bytes=parts["Gradient"],
        optimizer_bytes=parts["Optstate"],
        activations_bytes=parts["Activation"],
        temporaries_bytes=parts["Temp"] + parts["Other"],
    )


def _frozen_parameters_to_buffers(model: nn.Module) -> None:
    """Turn frozen parameters into buffers: MemTracker hooks the gradient of every parameter it meets."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if not parameter.requires_grad:
                delattr(module, name)
                module.register_buffer(name, parameter.detach())
