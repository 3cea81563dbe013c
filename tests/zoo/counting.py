"""How much work a network is."""
import numpy as np

from tinycnn.engine import trace


def multiply_adds(module, height, width=None, channels=3):
    """Those of convolutions and linear layers for one image, in millions; nothing is computed."""
    graph = trace(module.eval(), (1, channels, height, width or height))
    return sum(np.prod(node.y.shape) * np.prod(node.inputs["w"].shape[1:])
               for node in graph.nodes if node.op in ("conv2d", "linear")) / 1e6
