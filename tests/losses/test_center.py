"""CenterLoss owns centres, which follow the features in training alone."""
import numpy as np
import pytest

from tinycnn import Tensor, losses

X, TARGET = np.array([[4.0, 0.0], [2.0, 2.0]], np.float32), np.array([1, 1])


def test_centres_move_after_the_loss_and_not_its_gradient():
    module, x = losses.CenterLoss(3, 2, alpha=0.5, reduction="sum"), Tensor(X, requires_grad=True)
    loss = module(x, TARGET)
    loss.backward()
    assert loss.item() == 12  # from centres at 0
    np.testing.assert_array_equal(x.grad, X)
    np.testing.assert_allclose(module.centers.numpy(), [[0, 0], [1, 1 / 3], [0, 0]])
    assert module(x, TARGET).item() < 12


def test_centres_stay_in_evaluation_and_where_the_loss_is_not_finite():
    module = losses.CenterLoss(2, 2)
    module(X * np.float32(np.nan), TARGET)
    module.eval()(X, TARGET)
    np.testing.assert_array_equal(module.centers.numpy(), 0)


def test_features_come_to_rest_at_the_mean_of_their_class():
    module = losses.CenterLoss(2, 2, alpha=1.0)
    for _ in range(60):
        module(X, TARGET)
    np.testing.assert_allclose(module.centers.numpy()[1], X.mean(0), atol=1e-5)


def test_centres_are_saved_and_loaded():
    module, other = losses.CenterLoss(3, 2), losses.CenterLoss(3, 2)
    module(X, TARGET)
    other.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(other.centers.numpy(), module.centers.numpy())
    assert not list(module.parameters())


@pytest.mark.parametrize(("arguments", "message"), [((0, 2), "num_classes and feat_dim must be >= 1"),
                                                    ((2, 2, 1.5), "alpha must be within"),
                                                    ((2, 2, np.nan), "alpha must be within")])
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=f"CenterLoss: {message}"):
        losses.CenterLoss(*arguments)
