"""How much work a network is."""
import numpy as np

from tinycnn.autograd import topological


def multiply_adds(model, height, width=None):
    """Those of convolutions and linear layers for one image, in millions."""
    y = model.eval()(np.zeros((1, model.in_chans, height, width or height), np.float32))
    return sum(np.prod(node.out_shapes[0]) * np.prod(node.parents[1].shape[1:])
               for node in topological(y.node) if node.op in ("conv2d", "linear")) / 1e6
