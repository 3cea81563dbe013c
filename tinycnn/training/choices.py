"""Which network and which images, in names and paths, as a person says it."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..data.folder import MIN_SIDE
from ..data.tasks import FASHION_MNIST, PORTRAITS, Task, View, fashion_mnist, folder, portraits
from ..models import Backbone, create_model, load_weights, preprocessing

SIZES = {FASHION_MNIST: 28, PORTRAITS: 64}  # pixels of a side, where nothing is said of it
DECIDED = {"num_classes", "in_chans", "features_only", "out_indices"}  # options of a classifier that data decide


@dataclass(frozen=True)
class NetworkChoice:
    """A registered network, options of its function, and its weights: a file's, the known ones, or none yet.

    download: let known weights be fetched where they are not here.  Raises ValueError for both kinds of weights, and
    for an option that the data decide.
    """

    model: str
    weights: str | None = None
    pretrained: bool = False
    download: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weights and self.pretrained:
            raise ValueError("weights: expected either a file (--weights) or the known ones (--pretrained), got both")
        decided = sorted(DECIDED & self.options.keys())
        if decided:
            raise ValueError(f"option: {', '.join(decided)} cannot be chosen, it follows from the images")

    def build(self, classes: int, channels: int, other_classes: bool) -> Backbone:
        """The network with its weights; other_classes: they may be of others, and then the last layer is a new one.

        Raises ValueError for an unknown name or option, and what reading the weights raises.
        """
        options = {**self.options, "num_classes": classes, "in_chans": channels}
        try:
            model = create_model(self.model, self.pretrained, self.download, **options)
        except TypeError as error:  # an option that the network's function does not take
            raise ValueError(f"{self.model}: {error}") from error
        if self.weights is not None:
            load_weights(model, self.weights, other_classes)
        return model

    def photo_view(self, size: int | None) -> View:
        """How known weights, or most networks, are shown photos; of another size in the same proportion."""
        p = preprocessing(self.model)
        size = size or p.crop
        return View(size, 3, p.mean, p.std, round(size * p.resize / p.crop), p.interpolation)


@dataclass(frozen=True)
class DataChoice:
    """Images: Fashion-MNIST (data="fashion-mnist"), its garments as scenes have them (data="portraits"), or a folder of
    photos by class.

    root: the directory of Fashion-MNIST's files; download: fetch them where they are not here.  validation, share: a
    folder by class to test with, or the share of each class that is kept for that.  size: pixels of a side; channels:
    1 or 3; what suits the network where None.  skip_bad, min_side: see `ImageFolder`.  limit: take only so many images
    of each side.
    """

    data: str
    root: str | None = None
    download: bool = False
    validation: str | None = None
    share: float = 0.1
    size: int | None = None
    channels: int | None = None
    skip_bad: bool = False
    min_side: int = MIN_SIDE
    limit: int | None = None

    @property
    def of_garments(self) -> bool:
        """Whether it is a data set of Fashion-MNIST's garments, not a folder."""
        return self.data in SIZES

    def garments(self, network: NetworkChoice) -> Task:
        """Fashion-MNIST or its portraits as a network is shown them: known weights want three channels, and their own
        mean."""
        if self.validation is not None:
            raise ValueError("val: Fashion-MNIST is tested with its own test images, expected no other folder")
        size, known = self.size or SIZES[self.data], preprocessing(network.model)
        if self.data == PORTRAITS:
            self._require_colours()
            return portraits(View(size, 3, known.mean, known.std), self.root, limit=self.limit,
                             download=self.download)
        channels = self.channels or (3 if network.pretrained else 1)
        if channels not in (1, 3):
            raise ValueError(f"in_chans: expected 1 or 3, got {channels}")
        view = {"mean": known.mean, "std": known.std} if network.pretrained else {}
        return fashion_mnist(self.root, size, channels, download=self.download, **view).limited(self.limit)

    def training_task(self, network: NetworkChoice, seed: int = 0, workers: int = 0) -> Task:
        """Images to train and to test a network with; errors are those of `data.tasks`."""
        if self.of_garments:
            return self.garments(network)
        self._require_colours()
        task = folder(self.data, network.photo_view(self.size), self.validation, self.share, seed, self.skip_bad,
                      self.min_side, workers)
        return task.limited(self.limit)

    def _require_colours(self) -> None:
        if self.channels not in (None, 3):
            raise ValueError(f"in_chans: {'portraits' if self.of_garments else 'photos'} have 3 channels, "
                             f"got {self.channels}")
