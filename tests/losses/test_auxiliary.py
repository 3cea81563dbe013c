"""The loss of networks with auxiliary classifiers."""
import numpy as np
import pytest

from tinycnn import Tensor, losses

RNG = np.random.default_rng(0)
OUTPUTS = [RNG.standard_normal((4, 5)) for _ in range(3)]
TARGET = np.array([0, 4, 2, 2])


@pytest.mark.parametrize("weights", [0.3, (0.5, 0.25)])
def test_it_is_the_weighted_sum_and_so_is_its_gradient(weights, torch):
    ours, theirs = [Tensor(y, requires_grad=True) for y in OUTPUTS], [torch.tensor(y, requires_grad=True)
                                                                      for y in OUTPUTS]
    loss = losses.AuxiliaryLoss(losses.CrossEntropyLoss(label_smoothing=0.1), weights)
    parts = [torch.nn.functional.cross_entropy(y, torch.tensor(TARGET), label_smoothing=0.1) for y in theirs]
    first, second = weights if isinstance(weights, tuple) else (weights, weights)
    want = parts[0] + first * parts[1] + second * parts[2]
    got = loss(ours, TARGET)
    assert got.item() == pytest.approx(want.item(), rel=1e-12)
    got.backward()
    want.backward()
    for mine, same in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.grad, same.grad.numpy(), atol=1e-14)


def test_logits_alone_have_the_loss_itself():
    assert losses.AuxiliaryLoss()(OUTPUTS[0], TARGET).item() == losses.CrossEntropyLoss()(OUTPUTS[0], TARGET).item()


def test_parameters_of_the_loss_are_its_own():
    loss = losses.AuxiliaryLoss(losses.CrossEntropyLoss(weight=np.ones(5, np.float32)))
    assert list(loss.state_dict()) == ["loss.weight"]


@pytest.mark.parametrize(("weights", "outputs", "message"), [
    (0.3, [], "input is empty"),
    ((0.3,), OUTPUTS, r"input has 2 auxiliary outputs, expected one for each of the 1 weights \(0.3,\)"),
])
def test_what_does_not_fit_is_refused(weights, outputs, message):
    with pytest.raises(ValueError, match=message):
        losses.AuxiliaryLoss(weights=weights)(outputs, TARGET)


def test_the_loss_must_be_one():
    with pytest.raises(TypeError, match=r"loss must be a function of \(logits, target\), got 0.3"):
        losses.AuxiliaryLoss(0.3)
