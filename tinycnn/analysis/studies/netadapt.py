"""NetAdapt: Yang, Howard, Chen, Zhang, Go, Sandler, Sze, Adam, "NetAdapt: Platform-aware neural network adaptation for
mobile applications", ECCV 2018, https://arxiv.org/abs/1804.03230, algorithm 1.

A network is made narrower step by step until it is as fast as wanted.  In a step each of its widths is brought down,
by itself, until the network is faster by the step's share; each such proposal keeps the filters of largest norm and is
trained for a moment; the most accurate one is the network of the next step.  The last one is trained for long.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ... import random
from ...autograd import Shape
from ...data.tasks import Task
from ...training.choices import DataChoice, NetworkChoice
from ...training.engines import Engine
from ...training.progress import Choice as ProgressChoice
from .netadapt_files import AdaptFiles, Row, State
from .netadapt_latency import LatencyTable
from .netadapt_networks import Part, structure
from .netadapt_tuning import Tuner, searching

HALVINGS = 5  # of a reduction that no layer can make up


class Latency(Protocol):
    """What takes how long, in milliseconds; `LatencyTable` measures it."""

    def __call__(self, part: Part) -> float:
        """A block."""

    def network(self, model: Any, shape: Shape) -> float:
        """A whole network, for images of a shape."""

    def save(self) -> None:
        """Keep what is known."""


@dataclass(frozen=True)
class Settings:
    """On what the course of a search depends besides network and images.

    budget: share of the first network's latency that may be left.  steps: the number of equal reductions that lead
    there; one that no layer can make up by itself is halved, so that there may be more.  short_steps: batches that a
    proposal is trained on.  start_epochs, long_epochs: of the network that the search begins with, where it has no
    weights yet; of the one that it ends with.  divisor: all widths that are tried are its multiples.  threads: of the
    latency.

    Raises ValueError for what is out of range.
    """

    budget: float
    steps: int = 5
    short_steps: int = 25
    start_epochs: int = 3
    long_epochs: int = 3
    divisor: int = 8
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.budget < 1:
            raise ValueError(f"netadapt: budget must be above 0 and below 1, got {self.budget!r}")
        for name in ("steps", "short_steps", "start_epochs", "long_epochs", "divisor", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"netadapt: {name} must be at least 1, got {getattr(self, name)!r}")


class Choice(NamedTuple):
    """A width that comes down: its number, all widths then, and what the table says of them."""

    number: int
    widths: list[int]
    predicted_ms: float


class Proposal(NamedTuple):
    """A network of which one width came down; accuracy: after a short fine-tune, on images that were held out."""

    number: int  # of the width
    widths: list[int]
    predicted_ms: float
    accuracy: float
    state: dict[str, Any]

    @property
    def merit(self) -> tuple[float, float]:
        """The larger, the better: accuracy, and among equals the speed."""
        return self.accuracy, -self.predicted_ms


class Search:
    """The loop over steps; tuner: what trains; latency: what is waited for."""

    def __init__(self, tuner: Tuner, settings: Settings, latency: Latency) -> None:
        self.tuner, self.settings, self.latency = tuner, settings, latency
        self.model = tuner.build(None, None)
        self.structure = structure(self.model, tuner.network.model)
        self.image = (1, tuner.task.view.channels, tuner.task.view.size, tuner.task.view.size)
        self.names = [width.name for width in self.structure.widths(self.model)]

    def predicted(self, widths: Sequence[int]) -> float:
        """Milliseconds that the blocks of a network of such widths take together."""
        return sum(map(self.latency, self.structure.parts(self.model, widths, self.image)))

    def first(self, state: dict[str, Any]) -> State:
        """Where the search begins: a network of the usual widths with its weights."""
        model = self.tuner.build(state, None)
        widths = [width.channels for width in self.structure.widths(model)]
        row = self._row(0, "", widths, 0, 0, 0.0, self.tuner.accuracy(model), model)
        return State(state, [row])

    def steps(self, state: State) -> Iterator[State]:
        """The states after each further step, until the budget is met.

        Raises ValueError where no width alone can make up a step.
        """
        start = state.rows[0].predicted_ms
        goal, reduction = self.settings.budget * start, (1 - self.settings.budget) * start / self.settings.steps
        while state.rows[-1].predicted_ms > goal:
            state = self._step(state, min(reduction, state.rows[-1].predicted_ms - goal))
            yield state

    def _step(self, state: State, reduction: float) -> State:
        """The state after a step that wins so many milliseconds, or a part of them."""
        number, before = len(state.rows), state.rows[-1].widths
        target, choices = self._choices(state, reduction)
        best, tried = None, []
        for proposal in self._proposals(state, choices):
            tried.append({"layer": self.names[proposal.number], "width": proposal.widths[proposal.number],
                          "predicted_ms": proposal.predicted_ms, "accuracy": proposal.accuracy})
            best = proposal if best is None or proposal.merit > best.merit else best
        assert best is not None  # there is a choice
        row = self._row(number, self.names[best.number], best.widths, before[best.number], best.widths[best.number],
                        target, best.accuracy, self.tuner.build(best.state, best.widths))
        return State(best.state, [*state.rows, replace(row, proposals=tried)])

    def _row(self, step: int, layer: str, widths: list[int], before: int, width: int, target: float, accuracy: float,
             model: Any) -> Row:
        return Row(step, layer, before, width, target, self.predicted(widths),
                   self.latency.network(model, self.image), accuracy, widths)

    def _choices(self, state: State, reduction: float) -> tuple[float, list[Choice]]:
        """Milliseconds to reach, and for each width that can bring the network there by itself what it would be.

        The reduction is halved until there is one.  Raises ValueError where that comes to nothing.
        """
        row = state.rows[-1]
        for halved in range(HALVINGS + 1):
            target = row.predicted_ms - reduction / 2**halved
            found = [self._widest(number, row.widths, target) for number in range(len(row.widths))]
            if any(found):
                self.latency.save()
                return target, [choice for choice in found if choice]
        raise ValueError(f"netadapt: after {row.step} steps and {row.predicted_ms:.4g} ms no layer by itself brings "
                         f"the network to {target:.4g} ms; a larger --budget may be reached")

    def _proposals(self, state: State, choices: list[Choice]) -> Iterator[Proposal]:
        """The networks, each fine-tuned for a moment."""
        widths = self.structure.widths(self.tuner.build(None, state.rows[-1].widths))
        for number, chosen, predicted in choices:
            model = self.tuner.build(widths[number].narrowed(state.weights, chosen[number]), chosen)
            accuracy = self.tuner.short(model, self.settings.short_steps, (len(state.rows), number))
            yield Proposal(number, chosen, predicted, accuracy, model.state_dict())

    def _widest(self, number: int, widths: list[int], target: float) -> Choice | None:
        """The largest of a width with which the network is fast enough; section 3.2, "choose number of filters"."""
        divisor = self.settings.divisor
        for count in range((widths[number] - 1) // divisor * divisor, 0, -divisor):
            chosen = [*widths[:number], count, *widths[number + 1:]]
            predicted = self.predicted(chosen)
            if predicted <= target:
                return Choice(number, chosen, predicted)
        return None


def netadapt(network: NetworkChoice, data: DataChoice, settings: Settings, out: Path, *, engine: Engine | None = None,
             latency: Latency | None = None, resume: bool = False, progress: ProgressChoice = "auto",
             tell: Callable[[Task], Any] = lambda task: None,
             show: Callable[[Row], Any] = lambda row: None) -> dict[str, Any]:
    """Shrink a network to a share of its latency; what it came to, with a row for each step.

    network: a MobileNet V1, or V2, whose blocks shrink in the middle; without weights it is trained first.  In the
    directory `out` are then `adapted.npz`, the network, which says what it is of and how it came to be; `steps.csv` and
    `steps.json`, the rows; `start/` and `long/`, the runs that trained it.  `adapted.npz` is written after each step:
    resume goes on from there.  latency: what tells latencies, measured where None.  tell, show: called with the
    images, with each row.

    Raises ValueError for a network of another sort, or a budget that cannot be reached; FileExistsError where another
    run is in the way, CheckpointError where resume finds one of other settings; and what reading data and weights, and
    training, raise.
    """
    files = AdaptFiles(out, {**asdict(settings), **_asked(network, data)})
    if not resume:
        files.require_free()
    task = data.training_task(network, settings.seed)
    tuner = Tuner(replace(network, weights=None, pretrained=False), task, searching(task, settings.seed),
                  engine or Engine(), settings.seed, progress)
    search = Search(tuner, settings, latency or LatencyTable(settings.threads))
    state = files.read() if resume else None
    tell(task)
    if state is None:
        state = search.first(_start(network, tuner, settings, files))
        files.write(state, tuner)
    for row in state.rows:
        show(row)
    if not state.finished:
        for later in search.steps(state):
            state = later
            files.write(state, tuner)
            show(state.rows[-1])
        state = _finish(state, tuner, settings, files)
    return files.result(state)


def _asked(network: NetworkChoice, data: DataChoice) -> dict[str, Any]:
    return {"model": network.model, "options": network.options, "weights": network.weights,
            "pretrained": network.pretrained, "data": data.data, "size": data.size, "limit": data.limit}


def _start(network: NetworkChoice, tuner: Tuner, settings: Settings, files: AdaptFiles) -> dict[str, Any]:
    """The weights that the search begins with: those of a file, or else trained here, from the known ones if wanted."""
    if network.weights is not None:
        return network.build(len(tuner.task.classes), tuner.task.view.channels, False).state_dict()
    random.manual_seed(settings.seed)
    model = network.build(len(tuner.task.classes), tuner.task.view.channels, True)
    tuner.train(model, settings.start_epochs, files.start, search=True)
    return model.state_dict()


def _finish(state: State, tuner: Tuner, settings: Settings, files: AdaptFiles) -> State:
    """The long fine-tune, on all images; only now those to test with are looked at."""
    widths = state.rows[-1].widths
    model = tuner.build(state.weights, widths)
    tuned = replace(tuner, network=replace(tuner.network, options={**tuner.network.options, "widths": widths}))
    accuracy = tuned.train(model, settings.long_epochs, files.long, search=False)["accuracy"]
    state = State(model.state_dict(), state.rows, accuracy)
    files.write(state, tuner)
    return state
