"""LSTM, GRU and their cells against torch's, of the same names, arguments and state; rows of several lengths."""
import numpy as np
import pytest

from tinycnn import Tensor, nn

OPTIONS = [{}, {"bias": False}, {"num_layers": 2}, {"bidirectional": True}, {"batch_first": True},
           {"num_layers": 3, "bidirectional": True, "batch_first": True}]
KINDS = ["LSTM", "GRU"]


def pair_of(torch, kind, *args, **keywords):
    """Our module in float64, and torch's with the same state, whose names and order are seen to agree."""
    ours = getattr(nn, kind)(*args, **keywords).to(np.float64)
    theirs = getattr(torch.nn, kind)(*args, **keywords).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({key: torch.as_tensor(value) for key, value in ours.state_dict().items()})
    return ours, theirs


def flat(result):
    """Outputs and states in one list."""
    return [x for part in result for x in flat(part)] if isinstance(result, (tuple, list)) else [result]


def states_of(kind, arrays, wrap):
    return tuple(map(wrap, arrays)) if kind.startswith("LSTM") else wrap(arrays[0])


def compare(torch, ours, theirs, results, expected, leaves):
    """Values; then the gradients of parameters and of leaves, under a fixed weighting of all outputs."""
    total, total_t = 0, 0
    for k, (y, ty) in enumerate(zip(flat(results), flat(expected), strict=True)):
        np.testing.assert_allclose(y.numpy(), ty.detach().numpy(), atol=1e-12)
        gy = np.random.default_rng(k).standard_normal(y.shape)
        total, total_t = total + (y * gy).sum(), total_t + (ty * torch.tensor(gy)).sum()
    total.backward()
    total_t.backward()
    named = zip(ours.named_parameters(), theirs.named_parameters(), strict=True)
    for (_, p), tp in [*((p, tp) for p, (_, tp) in named), *((("leaf", x), tx) for x, tx in leaves)]:
        np.testing.assert_allclose(p.grad, tp.grad.numpy(), atol=1e-10)


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_values_gradients_and_state_are_torchs(torch, kind, options, stateful):
    ours, theirs = pair_of(torch, kind, 4, 5, **options)
    rng = np.random.default_rng(0)
    array = rng.standard_normal((3, 6, 4))
    n = 3 if options.get("batch_first") else 6
    layers = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    states = [rng.standard_normal((layers, n, 5)) for _ in range(2 if kind == "LSTM" else 1)] if stateful else []
    x, tx = Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    own = [Tensor(s, requires_grad=True) for s in states]
    their = [torch.tensor(s, requires_grad=True) for s in states]
    results = ours(x, states_of(kind, own, lambda s: s)) if stateful else ours(x)
    expected = theirs(tx, states_of(kind, their, lambda s: s)) if stateful else theirs(tx)
    compare(torch, ours, theirs, results, expected, [(x, tx), *zip(own, their)])


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_what_packed_sequences_mean(torch, kind):
    """Also in reverse, where a row begins with its own last step."""
    ours, theirs = pair_of(torch, kind, 3, 4, num_layers=2, bidirectional=True)
    array, lengths = np.random.default_rng(1).standard_normal((6, 4, 3)), np.array([2, 6, 1, 4])
    x, tx = Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(tx, torch.tensor(lengths), enforce_sorted=False)
    output, states = theirs(packed)
    expected = torch.nn.utils.rnn.pad_packed_sequence(output)[0], states
    compare(torch, ours, theirs, ours(x, None, lengths), expected, [(x, tx)])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_torchs(torch, kind, bias):
    ours, theirs = pair_of(torch, f"{kind}Cell", 4, 5, bias=bias)
    rng = np.random.default_rng(2)
    arrays = [rng.standard_normal((3, n)) for n in (4, 5, 5)]
    (x, *own), (tx, *their) = ([Tensor(a, requires_grad=True) for a in arrays],
                               [torch.tensor(a, requires_grad=True) for a in arrays])
    results = ours(x, states_of(kind, own, lambda s: s))
    expected = theirs(tx, states_of(kind, their, lambda s: s))
    used = 2 if kind == "LSTM" else 1
    compare(torch, ours, theirs, results, expected, [(x, tx), *zip(own[:used], their[:used])])
    for y, ty in zip(flat(ours(x)), flat(theirs(tx)), strict=True):
        np.testing.assert_allclose(y.numpy(), ty.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_without_a_batch(torch, kind):
    ours, theirs = pair_of(torch, kind, 4, 5, bidirectional=True)
    x = np.random.default_rng(3).standard_normal((6, 4))
    first = [np.random.default_rng(k).standard_normal((2, 5)) for k in range(2)]
    results, expected = ours(x, states_of(kind, first, np.asarray)), theirs(torch.tensor(x),
                                                                            states_of(kind, first, torch.tensor))
    for y, ty in zip(flat(results), flat(expected), strict=True):
        np.testing.assert_allclose(y.numpy(), ty.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_stepped_by_hand_is_the_layer(kind):
    layer, cell = getattr(nn, kind)(3, 4), getattr(nn, f"{kind}Cell")(3, 4)
    cell.load_state_dict({key.removesuffix("_l0"): value for key, value in layer.state_dict().items()})
    x, state = np.random.default_rng(4).standard_normal((5, 2, 3)).astype("f"), None
    for step in x:
        state = cell(step, state)
    np.testing.assert_allclose(flat(state)[0].numpy(), layer(x)[0].numpy()[-1], atol=1e-6)


def test_dropout_between_layers_in_training_alone():
    layer = nn.LSTM(3, 4, num_layers=2, dropout=1.0)
    x = np.random.default_rng(5).standard_normal((2, 1, 3)).astype("f")
    silent = layer(np.zeros_like(x))
    np.testing.assert_array_equal(layer(x)[0].numpy(), silent[0].numpy())  # the second layer hears nothing
    assert not np.array_equal(layer.eval()(x)[0].numpy(), silent[0].numpy())


@pytest.mark.parametrize(("make", "message"), [
    (lambda: nn.LSTM(0, 4), "LSTM: input_size must be an integer >= 1, got 0"),
    (lambda: nn.GRU(3, 4, num_layers=0), "GRU: num_layers must be an integer >= 1, got 0"),
    (lambda: nn.GRU(3, 4, dropout=1.5), r"GRU: dropout must lie in \[0, 1\], got 1.5"),
    (lambda: nn.LSTM(3, 4)(np.ones((2, 2, 5), "f")), r"LSTM: x must be \(T, N, 3\).* got the shape \(2, 2, 5\)"),
    (lambda: nn.GRU(3, 4)(np.ones((2, 2, 3), "f"), np.ones((2, 2, 4), "f")), r"h_0 has shape .* expected \(1, 2, 4\)"),
    (lambda: nn.LSTMCell(3, 4)(np.ones((2, 2, 3), "f")), r"LSTMCell: x must be \(N, 3\), got the shape \(2, 2, 3\)"),
])
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
