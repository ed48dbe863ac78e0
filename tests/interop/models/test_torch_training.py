"""torch: what is training, of which network, and how long it took (`make interop-models`)."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from itertools import starmap
from typing import Any

import pytest

from pytest_aifootprint.detection.inprocess.rows import Rows
from pytest_aifootprint.detection.inprocess.torch_training import Trainings

torch = pytest.importorskip("torch")
X = torch.ones(4, 3)


def rows(watched: Any) -> list[tuple[str, str | None, int, int | None, int | None]]:
    watched.recorder.flush(None)
    return [(call.operation, call.model, call.count, call.samples, call.steps) for call in watched.calls]


@pytest.fixture(autouse=True)
def settled(watched: Any) -> Iterator[None]:
    """What is undecided at the end is settled, as it is when a test ends."""
    yield
    watched.recorder.flush(None)


@pytest.fixture
def net() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))


class Slow(torch.nn.Module):  # type: ignore[misc,name-defined]
    """Each of its forward, backward and closure takes a known time of CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, data: Any) -> Any:
        burn()
        result = self.weight * data.sum()
        if result.requires_grad:
            result.register_hook(lambda _: burn())
        return result


BURN_NS = 20_000_000


def burn() -> None:
    end = time.process_time_ns() + BURN_NS
    while time.process_time_ns() < end:
        pass


def train(net: Any, steps: int, optimizer: Any = None) -> None:
    optimizer = optimizer or torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        net(X).sum().backward()
        optimizer.step()


def test_a_training_loop_is_training(watched: Any, net: Any) -> None:
    train(net, 5)
    train(net, 2)
    assert rows(watched) == [("training", "torch.Sequential", 1, 28, 7)]


def test_a_loss_is_no_model(watched: Any, net: Any) -> None:
    loss, optimizer = torch.nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        loss(net(X), torch.zeros(4, dtype=torch.long)).backward()
        optimizer.step()
    assert rows(watched) == [("training", "torch.Sequential", 1, 12, 3)]


@pytest.mark.parametrize("options", [{"fused": True}, {"foreach": True}], ids=str)
def test_every_kind_of_optimizer(watched: Any, net: Any, options: Any) -> None:
    train(net, 2, torch.optim.AdamW(net.parameters(), **options))
    assert rows(watched) == [("training", "torch.Sequential", 1, 8, 2)]


def test_gradients_gathered_over_forwards_are_one_step(watched: Any, net: Any) -> None:
    optimizer = torch.optim.Adam(net.parameters())
    for _ in range(3):
        net(X).sum().backward()
    optimizer.step()
    assert rows(watched) == [("training", "torch.Sequential", 1, 12, 1)]


def test_the_time_of_a_training_has_forward_backward_and_step_in_it_once(watched: Any) -> None:
    net = Slow()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: burn())  # runs after the global ones: inside the step
    net(X).backward()
    optimizer.step()
    (call,) = watched.calls
    assert 3 * BURN_NS <= call.cpu_ns < 4 * BURN_NS
    assert call.duration_ns >= 3 * BURN_NS


def test_what_a_closure_runs_is_counted_once(watched: Any) -> None:
    net = Slow()
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=2, tolerance_change=0, tolerance_grad=0)
    closures = []

    def closure() -> Any:
        closures.append(1)
        optimizer.zero_grad()
        loss = net(X) ** 2
        loss.backward()
        return loss

    before_ns = time.monotonic_ns()
    optimizer.step(closure)
    took_ns = time.monotonic_ns() - before_ns
    taken = len(closures)
    assert taken > 1
    assert rows(watched) == [("training", "test_torch_training.Slow", 1, 4 * taken, 1)]
    assert 2 * taken * BURN_NS <= watched.calls[0].cpu_ns < (2 * taken + 1) * BURN_NS
    assert watched.calls[0].duration_ns <= took_ns


def test_an_inference_inside_a_closure_is_not_in_its_step(watched: Any, net: Any) -> None:
    slow = Slow()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def closure() -> Any:
        with torch.no_grad():
            slow(X)
        loss = net(X).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    rows(watched)
    took = {call.operation: call.cpu_ns for call in watched.calls}
    assert took["inference"] >= BURN_NS
    assert took["training"] < BURN_NS


def test_gradients_used_by_hand_are_training_too(watched: Any, net: Any) -> None:
    for _ in range(3):
        net(X).sum().backward()
        with torch.no_grad():
            for weight in net.parameters():
                weight.sub_(0.1 * weight.grad)
                weight.grad = None
    assert rows(watched) == [("training", "torch.Sequential", 1, 12, 3)]


def test_gradients_that_go_to_other_places_are_no_training(watched: Any, net: Any) -> None:
    picture = X.clone().requires_grad_()
    torch.autograd.grad(net(picture).sum(), picture)  # an adversarial example
    net.eval()
    net(picture).sum().backward()  # a saliency map
    assert picture.grad is not None
    assert rows(watched) == [("inference", "torch.Sequential", 2, 8, None)]


def test_a_saliency_maps_backward_is_part_of_its_inference(watched: Any) -> None:
    net = Slow().eval()
    net(X).backward()
    assert [row[0] for row in rows(watched)] == ["inference"]
    assert watched.calls[0].cpu_ns >= 2 * BURN_NS


def test_a_network_in_eval_mode_that_an_optimizer_holds_is_trained(watched: Any, net: Any) -> None:
    train(net.eval(), 2)
    assert rows(watched) == [("training", "torch.Sequential", 1, 8, 2)]


def test_a_frozen_network_does_not_wait(watched: Any, net: Any) -> None:
    net.requires_grad_(False)
    net(X)
    assert (watched.only().operation, watched.only().count) == ("inference", 1)


def test_checking_in_between_is_inference(watched: Any, net: Any) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        train(net.train(), 2, optimizer)
        net.eval()(X)
    assert rows(watched) == [("training", "torch.Sequential", 1, 16, 4), ("inference", "torch.Sequential", 2, 8, None)]


def test_a_step_belongs_to_the_network_that_its_optimizer_holds(watched: Any) -> None:
    """A teacher in train mode runs last, and a generator learns from its critic, as in a GAN."""
    student, teacher = torch.nn.Linear(3, 2), torch.nn.Sequential(torch.nn.Linear(3, 2))
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(2):
        loss = (student(X) - teacher(X).detach()).sum()
        loss.backward()
        optimizer.step()
    assert rows(watched) == [("training", "torch.Linear", 1, 8, 2), ("inference", "torch.Sequential", 2, 8, None)]


def test_two_networks_with_two_optimizers_are_two_trainings(watched: Any) -> None:
    maker, critic = torch.nn.Linear(3, 3), torch.nn.Sequential(torch.nn.Linear(3, 1))
    makes, judges = (torch.optim.Adam(net.parameters()) for net in (maker, critic))
    for _ in range(3):
        judges.zero_grad()
        (critic(X) - critic(maker(X).detach())).sum().backward()
        judges.step()
        makes.zero_grad()
        critic(maker(X)).sum().backward()
        makes.step()
    found = sorted(rows(watched))
    # The maker runs twice a round, the critic three times; the critic's last forward is of a step of the maker.
    assert found == [("training", "torch.Linear", 1, 24, 3), ("training", "torch.Sequential", 1, 36, 3)]


def test_two_networks_with_one_optimizer_have_the_steps_each(watched: Any) -> None:
    into, out = torch.nn.Linear(3, 2), torch.nn.Sequential(torch.nn.Linear(2, 3))
    optimizer = torch.optim.Adam([*into.parameters(), *out.parameters()])
    for _ in range(2):
        out(into(X)).sum().backward()
        optimizer.step()
    assert sorted(rows(watched)) == [("training", "torch.Linear", 1, 8, 2), ("training", "torch.Sequential", 1, 8, 2)]


def test_parameters_that_come_to_an_optimizer_later(watched: Any, net: Any) -> None:
    head = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    train(head, 1, optimizer)
    net(X).sum().backward()
    optimizer.step()
    optimizer.add_param_group({"params": list(net.parameters())})
    net(X).sum().backward()
    optimizer.step()
    assert [row[4] for row in rows(watched) if row[1] == "torch.Sequential"] == [1]


def test_a_step_of_something_else_is_training_of_something(watched: Any) -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    weight.sum().backward()
    optimizer.step()
    assert rows(watched) == [("training", None, 1, None, 1)]
    assert watched.calls[0].notices == ("unknown-model",)
    assert watched.calls[0].duration_ns > 0


def test_what_a_backward_left_in_one_test_is_not_in_the_next_ones_training(watched: Any) -> None:
    burning = Slow()
    burning.forward(X).backward()  # by hand: no network was seen
    other = type(watched.owner)()
    token = watched.recorder.context.set(other)
    weight = torch.nn.Parameter(torch.ones(2))
    torch.optim.SGD([weight], lr=0.1).step()
    watched.recorder.context.reset(token)
    assert other.calls[0].cpu_ns < BURN_NS


def test_a_backward_is_in_one_step_only(watched: Any) -> None:
    net = Slow()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    net.forward(X).backward()  # by hand: no network was seen
    optimizer.step()
    optimizer.step()
    assert rows(watched) == [("training", None, 1, None, 2)]
    assert BURN_NS <= watched.calls[0].cpu_ns < 2 * BURN_NS


def test_gradients_that_only_pass_through_a_network_do_not_train_it(watched: Any, net: Any) -> None:
    head = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    head(net(X)).sum().backward()
    optimizer.step()
    assert net[0].weight.grad is not None
    assert rows(watched) == [("training", "torch.Linear", 1, 4, 1), ("inference", "torch.Sequential", 1, 4, None)]


def test_networks_that_come_and_go_are_not_mixed_up(watched: Any) -> None:
    for number in range(40):
        torch.nn.Linear(3, 2 + number % 2)(X)
    watched.recorder.flush(None)
    assert [(call.parameters, call.count) for call in watched.calls] == [(8, 20), (12, 20)]


def test_no_step_is_left_open(watched: Any) -> None:
    trainings = Trainings(watched.recorder, Rows(watched.recorder, "torch"))
    for _ in range(3):
        trainings.here.begin_step()
        trainings.here.begin_step()
        assert trainings.stepping
        assert trainings.here.end_step() is not None
        assert trainings.here.end_step() is None
        assert not trainings.stepping


def test_steps_that_are_one(watched: Any, net: Any) -> None:
    class Mine(torch.optim.SGD):  # type: ignore[misc,name-defined]
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    train(net, 3, Mine(net.parameters(), lr=0.1))
    assert rows(watched) == [("training", "torch.Sequential", 1, 12, 3)]


def test_a_step_that_fails_fails_as_before_and_the_next_is_counted(watched: Any, net: Any) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def closure() -> Any:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        optimizer.step(closure)
    train(net, 2, optimizer)
    assert rows(watched) == [("training", "torch.Sequential", 1, 8, 2)]


def test_scaled_gradients(watched: Any, net: Any) -> None:
    optimizer, scaler = torch.optim.SGD(net.parameters(), lr=0.1), torch.amp.GradScaler("cpu")
    for factor in (1.0, float("inf"), 1.0):  # a step that is left out is none
        optimizer.zero_grad()
        with torch.autocast("cpu"):
            loss = net(X).sum() * factor
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert rows(watched) == [("training", "torch.Sequential", 1, 12, 2)]


def test_averages_of_weights_are_the_networks(watched: Any, net: Any) -> None:
    average = torch.optim.swa_utils.AveragedModel(net)
    train(net, 2)
    average.update_parameters(net)
    with torch.no_grad():
        average(X)
    assert rows(watched) == [("training", "torch.Sequential", 1, 8, 2), ("inference", "torch.Sequential", 1, 4, None)]


def test_a_forward_that_is_run_again_by_the_backward_is_part_of_it(watched: Any, net: Any) -> None:
    from torch.utils.checkpoint import checkpoint

    class Saving(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self, reentrant: bool) -> None:  # noqa: FBT001
            super().__init__()
            self.inner, self.reentrant = net, reentrant

        def forward(self, data: Any) -> Any:
            return checkpoint(self.inner, data, use_reentrant=self.reentrant)

    for reentrant in (True, False):
        saving = Saving(reentrant)
        optimizer = torch.optim.SGD(saving.parameters(), lr=0.1)
        saving(X.clone().requires_grad_()).sum().backward()
        optimizer.step()
    assert [row[2:] for row in rows(watched)] == [(2, 8, 2)]


def test_an_optimizer_for_each_parameter_that_steps_inside_the_backward(watched: Any, net: Any) -> None:
    optimizers = {weight: torch.optim.SGD([weight], lr=0.1) for weight in net.parameters()}

    def stepped(weight: Any) -> None:
        optimizers[weight].step()
        optimizers[weight].zero_grad(set_to_none=False)

    for weight in optimizers:
        weight.register_post_accumulate_grad_hook(stepped)
    for _ in range(2):
        net(X).sum().backward()
    assert rows(watched) == [("training", "torch.Sequential", 1, 8, 2)]


def test_a_network_that_trains_inside_its_forward(watched: Any, net: Any) -> None:
    class Learner(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, data: Any) -> Any:
            del data
            train(self.net, 3)

    Learner()(X)
    assert [(row[0], *row[2:]) for row in rows(watched)] == [("training", 1, 4, 3)]


def test_forwards_wait_in_the_phase_they_ran_in(watched: Any, net: Any) -> None:
    watched.owner.phase = "setup"
    net(X)
    watched.owner.phase = "call"
    net(X)
    net(X)
    watched.owner.phase = "teardown"
    assert [row[:4] for row in rows(watched)] == [
        ("inference", "torch.Sequential", 1, 4),
        ("inference", "torch.Sequential", 2, 8),
    ]
    assert [call.phase for call in watched.calls] == ["setup", "call"]


def test_a_forward_after_a_flush_is_not_lost(watched: Any, net: Any) -> None:
    net(X)
    rows(watched)
    net(X)
    with torch.no_grad():
        net(X)
    assert rows(watched) == [("inference", "torch.Sequential", 3, 12, None)]


def test_threads_do_not_mix(watched: Any) -> None:
    nets = [torch.nn.Linear(3, 2) for _ in range(4)]
    threads = [threading.Thread(target=train, args=(net, 20)) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(watched) == [("training", "torch.Linear", 4, 320, 80)]


def test_nothing_is_kept_alive(watched: Any) -> None:
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    train(net, 1, optimizer)
    result = net(X)
    gone = [*starmap(weakref.ref, [(net,), (optimizer,), (net.weight,), (result,)])]
    del net, optimizer, result
    gc.collect()
    assert [ref() for ref in gone] == [None] * 4
    assert [row[0] for row in rows(watched)] == ["training", "inference"]


def test_a_network_that_cannot_be_read_trains_as_before(watched: Any) -> None:
    class Odd(torch.nn.Linear):  # type: ignore[misc,name-defined]
        def parameters(self, recurse: bool = True) -> Any:  # noqa: FBT001, FBT002
            raise ZeroDivisionError(recurse)

    net = Odd(3, 2)
    optimizer = torch.optim.SGD([net.weight], lr=0.1)
    train(net, 2, optimizer)
    found = rows(watched)
    assert [row[0] for row in found] == ["training", "inference"]  # whose step it was is not known
    assert [call.notices for call in watched.calls] == [("unknown-model",), ("unreadable-model",)]
