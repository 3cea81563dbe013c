"""The same networks in torchvision, timm or pytorchcv."""
import numpy as np
import pytest
from torchvision_oracle import import_timm, import_torchvision
from zoo import FACTS


def oracle(name, hidden=None):
    """The same network in torch, without dropout and without values; skips where the package is missing or has none.

    hidden: as VGG has it.
    """
    facts = FACTS[name]
    if facts.oracle is None:
        pytest.skip(f"nothing that installs has {name}")
    package, _, theirs = facts.oracle.partition(":")
    build = BUILDERS[package]
    import torch
    with torch.device("meta"):  # whose tensors take neither memory nor time
        model = build(theirs, facts)
        if hidden:
            for layer, ends in (0, (512 * 7 * 7, hidden)), (3, (hidden, hidden)), (6, (hidden, 1000)):
                model.classifier[layer] = torch.nn.Linear(*ends)
        for module in model.modules():
            if isinstance(module, torch.nn.LeakyReLU):
                module.negative_slope = 0.1  # Darknet's; timm has torch's 0.01
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
    if hasattr(model.output, "final_pool"):  # whose window is the map of 224 x 224
        import torch
        model.output.final_pool = torch.nn.AdaptiveAvgPool2d(1)
    return model


BUILDERS = {"torchvision": from_torchvision, "timm": from_timm, "pytorchcv": from_pytorchcv}


def random_state(shapes, rng):
    """Values for every name of a state dict: convolutions that keep the scale, statistics of a trained look."""
    def value(name, shape):
        kind = name.rpartition(".")[2]
        if kind == "num_batches_tracked":
            return np.int64(rng.integers(1, 1000))
        if kind == "running_var" or (kind == "weight" and len(shape) == 1):
            return rng.uniform(0.5, 1.5, shape)
        if kind == "weight":
            return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        return rng.standard_normal(shape) * 0.1
    return {name: value(name, shape) for name, shape in shapes.items()}
