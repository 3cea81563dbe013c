"""Training steps: forward, back and the optimiser's move as one plan that is made once and run for each batch."""
from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ... import random
from ..._kernels import get_num_threads
from ..graph import restructure
from ..plan import aligned
from ..report import Timed
from .masters import Entry, masters_of
from .planned import PlannedStep
from .prepare import Joined, prepare
from .replay import first_not_finite
from .report import StepReport, shares
from .trees import flattened, is_shape, outline, spec_of

MOST_PLANS = 8  # kept; a further shape takes the place of the one that was not used for longest


class TrainingStep:
    """`step(x, target)`: one step of training, planned.  Made by `compile_training_step`; see there.

    losses: after a step, the parts of a loss that is a dict, as numbers.
    """

    def __init__(self, model: Any, loss: Any, optimizer: Any, threads: int | None, accumulate: int,
                 clip: Callable[[list[Any]], Any] | None, ema: Any, keep_grads: bool) -> None:
        self.model, self.loss, self.optimizer, self.clip, self.ema = model, loss, optimizer, clip, ema
        self.threads = get_num_threads() if threads is None else threads
        self.accumulate, self.keep_grads = accumulate, keep_grads
        self.module = Joined(model, loss)
        first = next((p for _, p in self.module.named_parameters()), None)
        if first is None:
            raise ValueError("compile_training_step: model has no parameters")
        self.masters = masters_of(model, self.module, np.dtype(first.data.dtype))
        for part in (optimizer, ema):
            if hasattr(part, "bind"):
                part.bind(self.masters.parameters)
        self.before = np.empty_like(self.masters.statistics)
        self.plans: OrderedDict[Any, PlannedStep] = OrderedDict()
        self.arena = np.empty(0, self.masters.dtype)
        self.losses: dict[str, float] = {}
        self.timed, self.times, self.profiled = False, list[Timed](), list[Timed]()
        self.waiting, self.total = 0, np.empty(0, self.masters.dtype)  # micro-batches since the last update, their sum
        self.lock = threading.Lock()

    # ---- plans
    def plan(self, x: Any, target: Any, outputs: bool = False) -> PlannedStep:
        """The plan for a batch of such shapes, made if there is none yet."""
        given, rebuild = flattened((x, target))
        specs = [spec_of(leaf, self.masters.dtype) for leaf in given]
        key = (tuple(specs), outline((x, target)), outputs, self._state())
        if key in self.plans:
            self.plans.move_to_end(key)
            return self.plans[key]
        began = time.perf_counter()
        prepared = prepare(self.model, self.loss, rebuild, specs, self.masters, outputs)
        planned = self.plans[key] = PlannedStep(prepared, self.masters, self.threads, began)
        if planned.plan.arena > self.arena.size:
            self.arena = aligned(planned.plan.arena, self.masters.dtype)
            self.arena[:] = 0
        while len(self.plans) > MOST_PLANS:
            self.plans.popitem(last=False)
        return planned

    def _state(self) -> tuple[Any, ...]:
        """What a trace depends on besides shapes: modes of modules, and which parameters train."""
        modes = tuple([getattr(m, "training", None) for _, m in self.module.named_modules()])
        return modes, tuple([e.tensor.requires_grad for e in self.masters.by_view.values() if e.is_parameter])

    # ---- steps
    def __call__(self, x: Any, target: Any, outputs: bool = False) -> Any:
        """The loss of a batch, and the parameters moved.

        x, target: arrays, or what the loss takes: nested lists, tuples and dicts of them; a tuple x is several inputs.
        outputs: give (loss, the model's outputs) instead.  Raises FloatingPointError, naming the first operation whose
        result is not finite, where the loss is not: nothing has moved then.
        """
        with self.lock:
            loss, planned = self._step(x, target, outputs)
            return (loss, self._outputs(planned)) if outputs else loss

    def _step(self, x: Any, target: Any, outputs: bool) -> tuple[float, PlannedStep]:
        self.masters.check()
        planned = self.plan(x, target, outputs)
        inputs = self._inputs(planned, x, target)
        planned.refuse(inputs)
        keys = [(node, random.next_draw()) for node in planned.builder.keys]
        for node, key in keys:
            planned.builder.keys[node][:] = key
        planned.seed[:] = 1 / self.accumulate
        if planned.prepared.tape is not None:
            planned.prepared.tape.target = target
        with self._statistics_kept():
            self.times = planned.run(inputs, self.arena, self.timed)
            loss = float(planned.result(planned.prepared.loss).item())
            if not np.isfinite(loss):
                self.masters.statistics[:] = self.before
                raise FloatingPointError(self._culprit(planned, inputs, loss))
        for counter in planned.prepared.graph.counters:
            counter.data += 1
        self._update(planned)
        self.losses = self._parts(planned)
        return loss, planned

    @contextmanager
    def _statistics_kept(self) -> Iterator[None]:
        """Running statistics are those from before where an exception comes."""
        self.before[:] = self.masters.statistics
        try:
            yield
        except BaseException:
            self.masters.statistics[:] = self.before
            raise

    def _inputs(self, planned: PlannedStep, x: Any, target: Any) -> list[np.ndarray]:
        given, _ = flattened((x, target))
        arrays = [np.asarray(leaf.data if hasattr(leaf, "requires_grad") else leaf) for leaf in given]
        return [np.ascontiguousarray(a, value.dtype) for a, value in zip(arrays, planned.prepared.graph.inputs)]

    def _parts(self, planned: PlannedStep) -> dict[str, float]:
        tape = planned.prepared.tape
        if tape is not None:
            return {k: float(v.item()) for k, v in tape.value.items()} if isinstance(tape.value, dict) else {}
        return {name: float(planned.result(value).item()) for name, value in planned.prepared.parts.items()}

    def _outputs(self, planned: PlannedStep) -> Any:
        return restructure(planned.prepared.outputs, lambda value: planned.result(value).copy())

    # ---- what moves
    def _moving(self, planned: PlannedStep) -> Iterator[Entry]:
        for value in planned.builder.used_gradients:
            entry = self.masters.entry(value)
            assert entry is not None
            yield entry

    def _update(self, planned: PlannedStep) -> None:
        """Let the optimiser move the parameters, after the last of the micro-batches."""
        moving = list(self._moving(planned))
        if self.accumulate > 1 and not self._accumulated(moving):
            return
        for entry in moving:
            entry.tensor.grad = self.masters.gradient(entry)
        self._clip(moving)
        if hasattr(self.optimizer, "step_flat"):
            flat = self.masters.gradients[:self.masters.parameters.size]
            self.optimizer.step_flat(flat, [entry.tensor for entry in moving])
        else:
            self.optimizer.step()
        if self.ema is not None:
            self.ema.update()
        for entry in moving:
            entry.tensor.grad = entry.tensor.grad.copy() if self.keep_grads else None

    def _clip(self, moving: list[Entry]) -> None:
        flat = getattr(self.clip, "flat", None)
        if flat is not None:
            places = sorted((entry.at, entry.at + entry.view.size) for entry in moving)
            flat(self.masters.gradients, np.array(places, np.intp).reshape(-1, 2))
        elif self.clip is not None:
            self.clip([entry.tensor for entry in moving])

    def _accumulated(self, moving: list[Entry]) -> bool:
        """Add this micro-batch's gradients to those before; True: it was the last, and the sum is where they were."""
        size = self.masters.parameters.size
        if self.total.size < size:
            self.total = np.zeros(size, self.masters.dtype)
        for entry in moving:
            part = slice(entry.at, entry.at + entry.view.size)
            self.total[part] += self.masters.gradients[part]
        self.waiting = (self.waiting + 1) % self.accumulate
        if self.waiting:
            return False
        self.masters.gradients[:size] = self.total
        self.total[:] = 0
        return True

    # ---- what it tells
    def profile(self, x: Any, target: Any) -> list[Timed]:
        """One step, timed: the seconds of every operation and of the optimiser. It trains as any step does."""
        with self.lock:
            self.timed, began = True, time.perf_counter()
            try:
                self._step(x, target, False)
            finally:
                self.timed = False
            rest = time.perf_counter() - began - sum(t.seconds for t in self.times)
            self.profiled = [*self.times, Timed("", "optimizer", max(rest, 0.0))]
            return self.profiled

    def report(self) -> StepReport:
        """The plan that was used last: operations, memory, and by `profile` shares of the time."""
        if not self.plans:
            raise RuntimeError("TrainingStep.report: there is no plan, run a step first")
        report = next(reversed(self.plans.values())).report()
        report.shares = shares(self.profiled)
        return report

    def refresh(self) -> None:
        """Plan anew with frozen parameters as they are now."""
        with self.lock:
            self.plans.clear()

    # ---- what went wrong
    def _culprit(self, planned: PlannedStep, inputs: list[np.ndarray], loss: float) -> str:
        """The message of a loss that is not finite: the batch again, operation by operation."""
        keys = {id(node.attributes): key for node, key in planned.builder.keys.items()}
        first = first_not_finite(planned.prepared, inputs, keys)
        where = f"the first operation whose result is not finite is {first}" if first else "no operation explains it"
        return f"training step: the loss is {loss}; {where}; nothing has been changed"


def compile_training_step(model: Any, loss: Callable[..., Any], optimizer: Any, example: Any,
                          threads: int | None = None, *, accumulate: int = 1,
                          clip: Callable[[list[Any]], Any] | None = None, ema: Any = None,
                          keep_grads: bool = False) -> TrainingStep:
    """A planned step of training: `step(x, target)` runs forward, backward and the update, and gives the loss.

    loss: called as loss(model(x), target); gives a Tensor of one element, or a dict of them, whose sum counts.  What it
    owns as parameters trains too.  optimizer: anything with `step()` that moves parameters by their `grad`.
    example: (x, target), arrays or for each (shape, dtype); of a shape alone x is floating point, and target whole
    numbers where the loss takes them.  Other shapes are planned when they come (a smaller last batch, another size).
    threads: None for all that this process may use.

    accumulate: so many calls make one update, by the mean of their gradients.  clip: called with the parameters that
    have a gradient before they move (`optim.clip_grad_norm_` with its settings; `optim.ClipNorm(1.0)`, whose `flat`
    is called with the array of all gradients and their places, is quicker).  ema: `update()` is called after each
    update.  keep_grads: leave the gradients in `grad`, as copies; else it is None after a step.

    Parameters and running statistics become views of flat arrays: what is read and written between steps, by
    `state_dict`, `load_state_dict` or `p.data[...] = `, is what the step has and sees.  Frozen parameters
    (`requires_grad` False) in front of all others are folded and packed once, as they are now: `step.refresh()` after
    writing to them.  Dropout draws as it does without a plan.  Results have the same bits for any number of threads.

    Raises ValueError or TypeError where model, loss and example do not fit each other.

    >>> import numpy as np, tinycnn
    >>> from tinycnn import losses, nn, optim
    >>> model = nn.Linear(2, 3)
    >>> step = compile_training_step(model, losses.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.5),
    ...                              ((4, 2), (4,)))
    >>> x, labels = np.eye(4, 2, dtype=np.float32), np.array([0, 1, 2, 2])
    >>> first, second = step(x, labels), step(x, labels)
    >>> second < first
    True
    """
    if not isinstance(accumulate, int) or accumulate < 1:
        raise ValueError(f"compile_training_step: accumulate must be an integer >= 1, got {accumulate!r}")
    if not isinstance(example, (tuple, list)) or len(example) != 2:
        raise ValueError(f"compile_training_step: example must be (x, target), got {example!r}")
    step = TrainingStep(model, loss, optimizer, threads, accumulate, clip, ema, keep_grads)
    x, target = example
    inputs, rebuild = flattened(x)
    x = rebuild([(tuple(leaf), step.masters.dtype) if is_shape(leaf) else leaf for leaf in inputs])
    targets, rebuild = flattened(target)
    def of(dtype: Any) -> Any:
        return rebuild([(tuple(leaf), np.dtype(dtype)) if is_shape(leaf) else leaf for leaf in targets])
    if any(map(is_shape, targets)):
        try:
            step.plan(x, of(np.int64))
            return step
        except (TypeError, ValueError):  # the loss wants numbers of another type
            pass
    step.plan(x, of(step.masters.dtype))
    return step
