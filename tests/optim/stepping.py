"""Two optimisers that make the same steps: ours on arrays, torch's (or a statement of the rule) beside it."""
import numpy as np

from tinycnn import Tensor, optim

SHAPES = ((3, 5), (37,), (), (2, 3, 4, 5))
SELDOM = 1  # the parameter that has a gradient in every other step only, and none in the first


def parameters(dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [Tensor(np.asarray(rng.standard_normal(s), dtype), requires_grad=True) for s in SHAPES]


def gradients(dtype, steps, first=0):
    """For each step a list of gradients, None where there is none."""
    for turn in range(first, first + steps):
        rng = np.random.default_rng(turn)
        yield [np.asarray(rng.standard_normal(s), dtype) if i != SELDOM or turn % 2 else None
               for i, s in enumerate(SHAPES)]


def run(optimizer, ours, steps, first=0):
    for arrays in gradients(ours[0].dtype, steps, first):
        for p, g in zip(ours, arrays):
            p.grad = g
        optimizer.step()


def run_torch(torch, optimizer, theirs, steps):
    for arrays in gradients(theirs[0].detach().numpy().dtype, steps):
        for p, g in zip(theirs, arrays):
            p.grad = None if g is None else torch.tensor(g)
        optimizer.step()


def assert_fifty_steps_equal(torch, make, make_torch, dtype, seed=0, tolerance=None):
    """make(parameters), make_torch(parameters): both optimisers."""
    ours = parameters(dtype, seed)
    theirs = [torch.tensor(p.numpy().copy(), requires_grad=True) for p in ours]
    run(make(ours), ours, 50)
    run_torch(torch, make_torch(theirs), theirs, 50)
    tolerance = tolerance or (1e-6 if dtype == np.float32 else 1e-12)
    for p, q in zip(ours, theirs):
        assert_close(p.numpy(), q.detach().numpy(), tolerance)


def assert_close(got, want, tolerance):
    """Within a tolerance relative to the largest magnitude, as the tests of operations have it."""
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(1.0, float(np.abs(want).max())))


VARIANTS = {  # every branch of every kernel
    "sgd": lambda ps: optim.SGD(ps, 0.05, weight_decay=0.1),
    "sgd momentum": lambda ps: optim.SGD(ps, 0.05, momentum=0.9, dampening=0.2),
    "sgd nesterov": lambda ps: optim.SGD(ps, 0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda ps: optim.RMSprop(ps, weight_decay=0.1),
    "rmsprop centered momentum": lambda ps: optim.RMSprop(ps, centered=True, momentum=0.9),
    "rmsprop tf": lambda ps: optim.RMSpropTF(ps),
    "rmsprop tf centered": lambda ps: optim.RMSpropTF(ps, centered=True, momentum=0.0),
    "adam": lambda ps: optim.Adam(ps, weight_decay=0.1),
    "adam amsgrad": lambda ps: optim.Adam(ps, amsgrad=True),
    "adamw": lambda ps: optim.AdamW(ps, weight_decay=0.1),
    "radam": lambda ps: optim.RAdam(ps, betas=(0.9, 0.99)),
    "radam decoupled": lambda ps: optim.RAdam(ps, weight_decay=0.1, decoupled_weight_decay=True),
    "lookahead": lambda ps: optim.Lookahead(optim.SGD(ps, 0.05, momentum=0.9), k=4),
    "ranger": lambda ps: optim.Ranger(ps, lr=0.01),
}
