"""Two optimisers that make the same steps: ours on arrays, torch's (or a statement of the rule) beside it."""
import numpy as np

from tinycnn import Tensor

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
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance)
