"""How much work a network is."""
import numpy as np

from tinycnn.engine import trace


def multiply_adds(model, height, width=None):
    """Those of convolutions and linear layers for one image, in millions; nothing is computed."""
    graph = trace(model.eval(), (1, model.in_chans, height, width or height))
    return sum(np.prod(node.y.shape) * np.prod(node.inputs["w"].shape[1:])
               for node in graph.nodes if node.op in ("conv2d", "linear")) / 1e6
