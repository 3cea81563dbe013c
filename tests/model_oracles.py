"""The same networks in torchvision, timm, pytorchcv or facenet-pytorch."""
import numpy as np
import pytest
from torchvision_oracle import import_timm, import_torchvision
from zoo import FACTS


def oracle(name, hidden=None, **light):
    """The same network in torch, without dropout and without values; skips where the package is missing or has none.

    hidden: as VGG and AlexNet have it; light: for the facts' `cut`.
    """
    facts = FACTS[name]
    if facts.oracle is None:
        pytest.skip(f"nothing that installs has {name}")
    package, _, theirs = facts.oracle.partition(":")
    build = BUILDERS[package]
    import torch
    with torch.device("meta"):  # whose tensors take neither memory nor time
        model = build(theirs, facts)
        for i, layer in enumerate(model.classifier if hidden else ()):
            if isinstance(layer, torch.nn.Linear):
                sides = layer.in_features, layer.out_features
                model.classifier[i] = torch.nn.Linear(*[hidden if side == 4096 else side for side in sides])
        for module in model.modules():
            if isinstance(module, torch.nn.LeakyReLU):
                module.negative_slope = 0.1  # Darknet's; timm has torch's 0.01
        if facts.cut:
            facts.cut(model, **light)
        return model


def from_torchvision(theirs, facts):
    dropout = {"dropout": 0.0} if facts.dropout else {}
    return getattr(import_torchvision().models, theirs)(**dropout, **facts.options)


def from_timm(theirs, facts):
    timm = import_timm()
    if facts.width:
        return timm.models.efficientnet._gen_mobilenet_v1(theirs, facts.width)
    return timm.create_model(theirs, **facts.options)  # timm's have no dropout unless it is asked for


def from_pytorchcv(theirs, facts):
    import_torchvision()  # which settles what torch is
    model = pytest.importorskip("pytorchcv.model_provider").get_model(theirs, **facts.options)
    for part in (model.features, model.output):
        if hasattr(part, "final_pool"):  # whose window is the map of 224 x 224
            import torch
            part.final_pool = torch.nn.AdaptiveAvgPool2d(1)
    return model


def from_facenet(theirs, facts):
    import_torchvision()  # which facenet-pytorch imports
    package = pytest.importorskip("facenet_pytorch", reason="facenet-pytorch is not installed: it is not compared")
    return getattr(package, theirs)(classify=True, num_classes=1000, dropout_prob=0.0)


BUILDERS = {"torchvision": from_torchvision, "timm": from_timm, "pytorchcv": from_pytorchcv, "facenet": from_facenet}


def random_state(shapes, rng):
    """Values for every name of a state dict: convolutions that keep the scale, statistics of a trained look."""
    def value(name, shape):
        kind = name.rpartition(".")[2]
        if kind == "num_batches_tracked":
            return np.int64(rng.integers(1, 1000))
        if kind == "running_var" or (kind == "weight" and len(shape) == 1):
            return rng.uniform(0.5, 1.5, shape)
        if kind == "weight":
            squeezes = ".se." in name or (".fc" in name and len(shape) == 4)
            gain = 0.01 if squeezes else 1.0  # large numbers of many residual blocks would saturate its sigmoid
            return gain * rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        return rng.standard_normal(shape) * 0.1
    return {name: value(name, shape) for name, shape in shapes.items()}
