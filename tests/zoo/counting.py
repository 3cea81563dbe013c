"""How much work a network is."""
import numpy as np

from tinycnn.autograd import topological


def multiply_adds(module, *shape):
    """Those of the convolutions and linear layers for one image of a shape (C, H, W), in millions."""
    y = module.eval()(np.zeros((1, *shape), np.float32))
    return sum(np.prod(node.out_shapes[0]) * np.prod(node.parents[1].shape[1:])
               for node in topological((y[-1] if isinstance(y, list) else y).node)
               if node.op in ("conv2d", "linear")) / 1e6
