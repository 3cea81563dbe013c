"""What makes networks of torchvision, timm and facenet-pytorch as light as those of the everyday tests."""
from itertools import groupby


def narrow(model, width=0.25):
    """Each number of channels times `width`, but for those of images and classes."""
    import torch
    for module in model.modules():
        for values in (module._parameters, module._buffers):
            for name, value in [(name, value) for name, value in values.items() if value is not None]:
                shape = [n if axis > 1 or n in (1, 3, 1000) else int(n * width) for axis, n in enumerate(value.shape)]
                fewer = torch.empty(shape, dtype=value.dtype, device=value.device)
                values[name] = torch.nn.Parameter(fewer) if values is module._parameters else fewer
        if getattr(module, "groups", 1) > 1:  # depthwise
            module.groups = len(module.weight)


def pad(model):
    """Padding for convolutions and poolings over 3x3 that have none: smaller images then leave a map."""
    for module in model.modules():
        if getattr(module, "kernel_size", None) in (3, (3, 3)) and module.padding in (0, (0, 0)):
            module.padding = (1, 1) if hasattr(module, "weight") else 1


def pad_reduction(module):
    """A module of torchvision that halves the map, with padding in its pooling, which is none of its children."""
    import torch
    groups = groupby(module.named_children(), lambda child: child[0].partition("_")[0])
    rows = [torch.nn.Sequential(*[layer for _, layer in group]) for _, group in groups]
    module.forward = lambda x: torch.cat([*[row(x) for row in rows], torch.nn.functional.max_pool2d(x, 3, 2, 1)], 1)


def lighter(model, width=1.0, padded=False):
    """Narrow and padded, as asked for."""
    if width != 1:
        narrow(model, width)
    if padded:
        pad(model)


def inception_v3(model, width=1.0, padded=False):
    """torchvision's, with an auxiliary head for small maps."""
    import torch
    lighter(model, width, padded)
    if padded:
        pad_reduction(model.Mixed_6a)
        pad_reduction(model.Mixed_7a)
        head, pooled = model.AuxLogits, torch.nn.functional.adaptive_avg_pool2d
        head.forward = lambda x: head.fc(head.conv1(head.conv0(pooled(x, 5))).flatten(1))


def bn_inception(model, width=1.0):
    """pytorchcv's with a mean over whatever map there is, instead of one of 7x7."""
    import torch
    lighter(model, width)
    model.features.final_pool = torch.nn.AdaptiveAvgPool2d(1)
