from dataclasses import replace

import numpy as np
import pytest
import torch

from profl_ray.federation import Pixels
from profl_ray.models import initialise, state_tensors
from profl_ray.training import SGD, LocalSGD

from .kit import TASK, TRAINING, make_order, make_state, make_worker, train_locally


def make_model(task=TASK):
    model = task.build()
    initialise(model, 0)
    return model


def make_images(num_examples=20):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_examples, 1, 8, 8, generator=generator), torch.arange(num_examples) % 4


def train(task=TASK, num_examples=20, augment=False, seed=1, stream=(0, 1, 2), model=None):
    model = model or make_model(task)
    augmented = Pixels((0.5,), (0.5,)).augmented if augment else None
    loss = train_locally(model, task, *make_images(num_examples), augmented, seed, stream[:-1], 1, stream[-1])
    return loss, task.moving.collect(state_tensors(model))


@pytest.mark.parametrize("augment", [False, True])
def test_the_same_stream_gives_the_same_weights(augment):
    (loss, weights), (loss_again, weights_again) = train(augment=augment), train(augment=augment)
    assert loss == loss_again
    np.testing.assert_array_equal(weights, weights_again)


@pytest.mark.parametrize(
    "change",
    [{"stream": (0, 1, 3)}, {"stream": (0, 2, 2)}, {"stream": (1, 1, 2)}, {"seed": 2}, {"augment": True}],
)
def test_another_stream_gives_other_weights(change):
    assert not np.array_equal(train()[1], train(**change)[1])


def test_global_generators_are_neither_read_nor_moved():
    results = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        np.random.seed(seed)
        torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()
        results.append(make_worker(augment=True).train(make_order(0), [make_state()]).sums[0].total)
        assert torch.equal(torch.get_rng_state(), torch_state)
        assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), numpy_state, strict=True))
    np.testing.assert_array_equal(*results)


def test_only_what_is_trainable_changes_and_frozen_statistics_move():
    model = make_model()
    before = {name: value.clone() for name, value in state_tensors(model).items()}
    train(model=model)
    for name, value in state_tensors(model).items():
        unchanged = name in TASK.frozen.names
        assert torch.equal(value, before[name]) == unchanged, name
    assert any(name.startswith("units.0.") for name in TASK.frozen.names)
    assert "units.0.1.running_mean" in TASK.moving.names


class Recording(LocalSGD):
    """Records the labels of each batch and returns prepared losses."""

    losses: list[float]
    batches: list[list[int]]

    def begin(self, model, device=None):
        def step(images, labels):
            assert images.is_contiguous(memory_format=torch.channels_last)
            self.batches.append(labels.tolist())
            return torch.tensor(self.losses[len(self.batches) - 1])

        return step


def recording(num_epochs, batch_size, losses):
    # Kept through the copies that are made of a procedure for each device.
    Recording.losses, Recording.batches = losses, []
    return Recording(num_epochs, batch_size, SGD(0.1))


def record(num_examples, batch_size, epochs, losses):
    procedure = recording(epochs, batch_size, losses)
    images, labels = torch.zeros(num_examples, 1, 8, 8), torch.arange(num_examples)
    model = make_model()
    return train_locally(model, replace(TASK, procedure=procedure), images, labels, None, 1, ()), procedure


def test_the_loss_is_the_last_epochs_mean_over_images():
    loss, procedure = record(6, 4, 2, [100.0, 100.0, 1.0, 4.0])
    assert loss == (4 * 1.0 + 2 * 4.0) / 6
    first, second = procedure.batches[:2], procedure.batches[2:]
    for epoch in (first, second):
        assert sorted(label for batch in epoch for label in batch) == list(range(6)) and [
            len(batch) for batch in epoch
        ] == [4, 2]
    assert first != second, "every epoch has an order of its own"


def test_a_last_batch_of_one_image_is_left_out():
    loss, procedure = record(9, 4, 1, [1.0, 3.0])
    assert [len(batch) for batch in procedure.batches] == [4, 4]
    assert loss == 2.0


def test_a_single_image_is_trained():
    loss, procedure = record(1, 4, 1, [3.0])
    assert procedure.batches == [[0]] and loss == 3.0


def test_batches_of_one_image_are_trained():
    loss, procedure = record(3, 1, 1, [1.0, 2.0, 6.0])
    assert len(procedure.batches) == 3 and loss == 3.0


def test_a_batch_norm_model_learns():
    procedure = replace(TRAINING, local_epochs=30)
    first, last = train()[0], train(replace(TASK, procedure=procedure))[0]
    assert last < 0.5 * first


def test_learning_rate_zero_moves_no_parameter():
    frozen = LocalSGD(1, 8, SGD(0.0))
    model = make_model()
    before = {name: value.clone() for name, value in model.named_parameters()}
    train(replace(TASK, procedure=frozen), model=model)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


def test_a_blank_step_is_one_full_batch():
    procedure = recording(7, 8, [0.0] * 9)
    step = replace(TASK, procedure=procedure).begin(make_model(), memory_format=torch.channels_last)
    assert float(step()) == 0.0
    assert [len(batch) for batch in procedure.batches] == [8]
