from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from profl_ray.models import DistillationPlan, initialise, state_tensors
from profl_ray.training import SGD, Calibration, LocalSGD, LocalTask, TeacherError

from .kit import NETWORK, TASK, TRAINING, train_locally


def make_images(num_examples=20):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(num_examples, 1, 8, 8, generator=generator) * 3 + 1
    return images, torch.arange(num_examples) % 4


def make_model(task):
    model = task.build()
    initialise(model, 0)
    return model


@pytest.mark.parametrize("max_norm", [None, 0.1])
def test_supervised_does_one_step_of_sgd_on_the_cross_entropy(max_norm):
    optimizer = replace(TRAINING.optimizer, weight_decay=0.3)
    procedure = replace(TRAINING, optimizer=optimizer, max_gradient_norm=max_norm)
    model, reference = make_model(TASK), make_model(TASK)
    images, labels = make_images(8)
    loss = functional.cross_entropy(reference(images), labels)
    loss.backward()
    if max_norm is not None:
        gradients = [value.grad for value in reference.parameters() if value.grad is not None]
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        assert norm > max_norm, "or nothing would be clipped"
        for gradient in gradients:
            gradient *= max_norm / norm
    trained = procedure.begin(model)(images, labels)
    assert not trained.requires_grad
    torch.testing.assert_close(trained, loss.detach())
    for (name, ours), theirs in zip(model.named_parameters(), reference.parameters(), strict=True):
        if not ours.requires_grad:
            assert theirs.grad is None, name
            continue
        gradient = theirs.grad + 0.3 * theirs.detach()
        expected = theirs.detach() - TRAINING.optimizer.learning_rate * gradient
        torch.testing.assert_close(ours.detach(), expected, msg=name)


def test_momentum_reaches_the_second_step():
    weights = []
    for momentum in (0.0, 0.9):
        procedure = replace(TRAINING, optimizer=SGD(0.05, momentum))
        model, (images, labels) = make_model(TASK), make_images(8)
        step = procedure.begin(model)
        for _ in range(2):
            step(images, labels)
        weights.append(torch.cat([value.detach().flatten() for value in model.parameters()]))
    assert not torch.allclose(*weights)


def test_the_optimizer_holds_only_what_is_trained():
    model = make_model(TASK)
    ours = {id(parameter) for parameter in TASK.procedure.optimizer.of(model).parameters}
    assert ours == {id(value) for name, value in model.named_parameters() if name.startswith(TASK.trainable)}


def distillation_task(block, trainable):
    procedure = LocalSGD(3, 8, SGD(0.05, 0.9), TeacherError())
    return LocalTask(f"map {block}", DistillationPlan(NETWORK, block), procedure, trainable, ())


def test_distillation_moves_the_student_towards_its_teacher_and_nothing_else():
    task = distillation_task(2, ("proxies.2.", "head."))
    model = make_model(task)
    before = {name: value.clone() for name, value in model.named_parameters()}
    images, labels = make_images()
    student, teacher = model(images)
    first = functional.mse_loss(student, teacher).item()
    loss = train_locally(model, task, images, labels, None, 1, ())
    assert loss < first
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name]) != name.startswith(task.trainable), name


def test_distillation_is_the_mean_squared_error_of_the_logits_whatever_the_labels():
    task = distillation_task(2, ("proxies.2.", "head."))
    model = make_model(task)
    images, labels = make_images(8)
    student, teacher = model(images)
    expected = ((student - teacher) ** 2).mean()
    torch.testing.assert_close(task.procedure.loss(model, images, labels), expected)
    torch.testing.assert_close(task.procedure.loss(model, images, 3 - labels), expected)
    assert not teacher.requires_grad and student.requires_grad


@pytest.mark.parametrize("num_examples", [16, 20, 17])
def test_calibration_gives_plain_means_of_batch_statistics(num_examples):
    """20 images in batches of 8: the last batch, of 4, counts as much; 17: the last image is left out."""
    forward = Calibration(8)
    task = replace(TASK, procedure=forward, trainable=(), moving_statistics=("units.",))
    model = make_model(task)
    statistics = []
    model.units["0"][0].register_forward_hook(
        lambda _module, _inputs, output: statistics.append(
            (output.mean(dim=(0, 2, 3)), output.var(dim=(0, 2, 3), correction=1))
        )
    )
    before = {name: value.clone() for name, value in model.named_parameters()}
    for _ in range(2):  # what an earlier device left behind has no weight
        statistics.clear()
        train_locally(model, task, *make_images(num_examples), None, 1, ())
    assert len(statistics) == (3 if num_examples == 20 else 2)
    norm = model.units["0"][1]
    means, variances = (torch.stack(values).mean(dim=0) for values in zip(*statistics, strict=True))
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert all(value.grad is None for value in model.parameters())


def test_a_calibrating_device_sends_statistics_only():
    task = replace(TASK, procedure=Calibration(8), trainable=())
    assert task.moving.names and all("running_" in name for name in task.moving.names)


def test_moving_and_frozen_are_the_whole_state():
    shapes = {name: tuple(value.shape) for name, value in state_tensors(TASK.build()).items()}
    layouts = (TASK.moving, TASK.frozen)
    parts = [dict(zip(layout.names, layout.shapes, strict=True)) for layout in layouts]
    assert not parts[0].keys() & parts[1].keys()
    assert parts[0] | parts[1] == shapes
    assert TASK.moving.size + TASK.frozen.size == sum(int(np.prod(shape)) for shape in shapes.values())


def test_fixed_statistics_are_used_and_do_not_move():
    task = replace(
        TASK, fixed_statistics=("units.0.", "units.1."), moving_statistics=("units.2.", "units.3.")
    )
    model = make_model(task)
    before = {name: value.clone() for name, value in state_tensors(model).items()}
    train_locally(model, task, *make_images(), None, 1, ())
    after = state_tensors(model)
    assert torch.equal(after["units.0.1.running_mean"], before["units.0.1.running_mean"])
    assert not torch.equal(after["units.2.1.running_mean"], before["units.2.1.running_mean"])
    assert not task.drifting and replace(task, fixed_statistics=()).drifting and not TASK.drifting
