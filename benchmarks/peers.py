"""The engines that tinycnn is measured against, on the same graph with the same weights.

A traced graph, before any pass of ours, becomes an ONNX model (onnxruntime, OpenVINO), a torch module (torch; by
TorchScript and pnnx ncnn).  Each engine is a function from an image to an array; one that is not installed is left out
and named.
"""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # a peer's own process must not hold tinycnn
    from tinycnn.engine.graph import Graph, Node, Value

Engine = Callable[[np.ndarray], np.ndarray]


# ---------------------------------------------------------------- ONNX
def to_onnx(graph: Graph, path: Path) -> None:
    """Write a graph of one input as an ONNX model, opset 17."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    nodes: list[Any] = []
    constants = {value.name: value.data for value in graph.constants}

    def add(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        nodes.append(helper.make_node(op, inputs, outputs, **attributes))

    for node in graph.nodes:
        inputs = [value.name if value else "" for value in node.inputs.values()]
        ONNX[node.op](node, inputs, [value.name for value in node.outputs], add, constants)
    def info(value: Value) -> Any:
        return helper.make_tensor_value_info(value.name, TensorProto.FLOAT, value.shape)
    model = helper.make_model(
        helper.make_graph(nodes, "network", [info(v) for v in graph.inputs], [info(v) for v in graph.outputs],
                          [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()]),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _window(node: Node) -> dict[str, Any]:
    window = node.attributes["window"]
    return {"kernel_shape": window.kernel, "strides": window.stride, "dilations": window.dilation, "pads": window.pads}


def _conv(node, inputs, outputs, add, constants):
    add("Conv", [name for name in inputs if name], outputs, **_window(node), group=node.attributes["groups"])


def _batch_norm(node, inputs, outputs, add, constants):
    add("BatchNormalization", inputs, outputs, epsilon=node.attributes["eps"])


def _max_pool(node, inputs, outputs, add, constants):
    add("MaxPool", inputs, outputs, **_window(node), ceil_mode=int(node.attributes["ceil_mode"]))


def _average_pool(node, inputs, outputs, add, constants):
    add("AveragePool", inputs, outputs, **{k: v for k, v in _window(node).items() if k != "dilations"},
        ceil_mode=int(node.attributes["ceil_mode"]), count_include_pad=int(node.attributes["count_include_pad"]))


def _adaptive(node, inputs, outputs, add, constants):
    (h, w), (oh, ow) = node.inputs["x"].shape[2:], node.y.shape[2:]
    if (oh, ow) == (1, 1):
        add("GlobalAveragePool", inputs, outputs)
    else:
        add("AveragePool", inputs, outputs, kernel_shape=(h // oh, w // ow), strides=(h // oh, w // ow))


def _shuffle(node, inputs, outputs, add, constants):
    (n, c, h, w), groups, name = node.y.shape, node.attributes["groups"], outputs[0]
    constants[f"{name}.five"] = np.array([n, groups, c // groups, h, w])
    constants[f"{name}.four"] = np.array(node.y.shape)
    add("Reshape", [inputs[0], f"{name}.five"], [f"{name}.split"])
    add("Transpose", [f"{name}.split"], [f"{name}.mixed"], perm=[0, 2, 1, 3, 4])
    add("Reshape", [f"{name}.mixed", f"{name}.four"], outputs)


def _split(node, inputs, outputs, add, constants):
    constants[f"{outputs[0]}.sizes"] = np.array(node.attributes["sizes"])
    add("Split", [inputs[0], f"{outputs[0]}.sizes"], outputs, axis=node.attributes["axis"])


def _reshape(node, inputs, outputs, add, constants):
    constants[f"{outputs[0]}.shape"] = np.array(node.y.shape)
    add("Reshape", [inputs[0], f"{outputs[0]}.shape"], outputs)


def _clip(node, inputs, outputs, add, constants):
    constants["zero"], constants["six"] = np.float32(0), np.float32(6)
    add("Clip", [inputs[0], "zero", "six"], outputs)


def _silu(node, inputs, outputs, add, constants):
    add("Sigmoid", inputs, [f"{outputs[0]}.gate"])
    add("Mul", [inputs[0], f"{outputs[0]}.gate"], outputs)


def _interpolate(node, inputs, outputs, add, constants):
    name = outputs[0]
    constants[f"{name}.sizes"] = np.array(node.y.shape)
    linear = node.attributes["mode"] == "bilinear"
    where = "asymmetric" if not linear else "align_corners" if node.attributes["align_corners"] else "half_pixel"
    add("Resize", [inputs[0], "", "", f"{name}.sizes"], outputs, mode="linear" if linear else "nearest",
        coordinate_transformation_mode=where, nearest_mode="floor")


def _getitem(node, inputs, outputs, add, constants):
    """Slices along some axes, after an ellipsis or not; nothing else."""
    index, rank = node.attributes["index"], len(node.inputs["x"].shape)
    parts = list(index) if isinstance(index, tuple) else [index]
    at = parts.index(Ellipsis) if Ellipsis in parts else len(parts)
    axes = [*range(at), *range(rank - len(parts[at + 1:]), rank)]
    chosen = [(axis, part.indices(node.inputs["x"].shape[axis])) for axis, part in
              zip(axes, parts[:at] + parts[at + 1:])]
    for key, values in (("starts", [c[0] for _, c in chosen]), ("ends", [c[1] for _, c in chosen]),
                        ("axes", [axis for axis, _ in chosen]), ("steps", [c[2] for _, c in chosen])):
        constants[f"{outputs[0]}.{key}"] = np.array(values)
    add("Slice", [inputs[0], *(f"{outputs[0]}.{key}" for key in ("starts", "ends", "axes", "steps"))], outputs)


def _named(op: str, **attributes: Any):
    def write(node, inputs, outputs, add, constants):
        add(op, inputs, outputs, **attributes)
    return write


ONNX: dict[str, Callable[..., None]] = {
    "conv2d": _conv, "batch_norm": _batch_norm, "max_pool2d": _max_pool, "avg_pool2d": _average_pool,
    "adaptive_avg_pool2d": _adaptive,
    "channel_shuffle": _shuffle, "split": _split, "reshape": _reshape, "relu6": _clip, "silu": _silu,
    "interpolate": _interpolate, "getitem": _getitem,
    "leaky_relu": lambda node, inputs, outputs, add, _: add("LeakyRelu", inputs, outputs,
                                                            alpha=node.attributes["negative_slope"]),
    "transpose": lambda node, inputs, outputs, add, _: add("Transpose", inputs, outputs,
                                                           perm=node.attributes["axes"]),
    "relu": _named("Relu"), "sigmoid": _named("Sigmoid"), "add": _named("Add"), "mul": _named("Mul"),
    "scale_channels": _named("Mul"),
    "hardswish": _named("HardSwish"), "hardsigmoid": _named("HardSigmoid", alpha=1 / 6, beta=0.5),
    "global_avg_pool2d": _named("GlobalAveragePool"), "linear": _named("Gemm", transB=1),
    "concat": lambda node, inputs, outputs, add, _: add("Concat", inputs, outputs, axis=node.attributes["axis"]),
}


# ---------------------------------------------------------------- torch
def to_torch(graph: Graph) -> Any:
    """A torch module that computes the graph, with torch's own operations."""
    import torch
    import torch.nn.functional as T
    calls = {
        "batch_norm": lambda n, x, w, b, mean, var: T.batch_norm(x, mean, var, w, b, False, 0.0, n.attributes["eps"]),
        "relu": lambda n, x: T.relu(x), "relu6": lambda n, x: T.relu6(x), "silu": lambda n, x: T.silu(x),
        "hardswish": lambda n, x: T.hardswish(x), "hardsigmoid": lambda n, x: T.hardsigmoid(x),
        "sigmoid": lambda n, x: torch.sigmoid(x), "add": lambda n, a, b: a + b, "mul": lambda n, a, b: a * b,
        "scale_channels": lambda n, a, b: a * b,
        "linear": lambda n, x, w, b: T.linear(x, w, b), "reshape": lambda n, x: x.reshape(n.y.shape),
        "concat": lambda n, *xs: torch.cat(xs, n.attributes["axis"]),
        "split": lambda n, x: x.split(n.attributes["sizes"], n.attributes["axis"]),
        "channel_shuffle": lambda n, x: x.view(x.shape[0], n.attributes["groups"], -1, *x.shape[2:]).transpose(
            1, 2).reshape(x.shape),
        "global_avg_pool2d": lambda n, x: x.mean((2, 3), keepdim=True),
        "adaptive_avg_pool2d": lambda n, x: T.adaptive_avg_pool2d(x, n.y.shape[2:]),
        "max_pool2d": lambda n, x: T.max_pool2d(x, n.attributes["window"].kernel, n.attributes["window"].stride,
                                                n.attributes["window"].pads[:2], 1, n.attributes["ceil_mode"]),
        "avg_pool2d": lambda n, x: T.avg_pool2d(x, n.attributes["window"].kernel, n.attributes["window"].stride,
                                                n.attributes["window"].pads[:2], n.attributes["ceil_mode"],
                                                n.attributes["count_include_pad"]),
    }

    def conv2d(node: Node, x: Any, w: Any, b: Any) -> Any:
        top, left, bottom, right = node.attributes["window"].pads
        if (top, left) != (bottom, right):
            x = T.pad(x, (left, right, top, bottom))
            top = left = 0
        return T.conv2d(x, w, b, node.attributes["window"].stride, (top, left), node.attributes["window"].dilation,
                        node.attributes["groups"])
    calls["conv2d"] = conv2d

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.names = {value: f"p{i}" for i, value in enumerate(graph.constants)}
            for value, name in self.names.items():
                self.register_buffer(name, torch.from_numpy(np.asarray(value.data)))

        def forward(self, x: Any) -> Any:
            known = {graph.inputs[0]: x}
            for node in graph.nodes:
                inputs = [None if v is None else known[v] if v in known else getattr(self, self.names[v])
                          for v in node.inputs.values()]
                results = calls[node.op](node, *inputs)
                known.update(zip(node.outputs, results if len(node.outputs) > 1 else [results]))
            return known[graph.outputs[0]]
    return Network().eval()


# ---------------------------------------------------------------- engines
def onnxruntime_engine(graph: Graph, folder: Path, threads: int) -> Engine:
    """onnxruntime with its default options and the given threads; a graph's first output."""
    run = onnxruntime_outputs(graph, folder, threads)
    return lambda x: run(x)[0]


def onnxruntime_outputs(graph: Graph, folder: Path, threads: int) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The same, all outputs."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(_onnx(graph, folder)), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})


def openvino_engine(graph: Graph, folder: Path, threads: int) -> Engine:
    """OpenVINO, told to compute in float32: on processors that have it, it would take bfloat16."""
    import openvino
    compiled = openvino.Core().compile_model(str(_onnx(graph, folder)), "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    return lambda x: request.infer({0: x}, share_inputs=True)[0]


def torch_engine(graph: Graph, folder: Path, threads: int) -> Engine:
    """torch eager, channels last: its faster memory format on a CPU."""
    import torch
    torch.set_num_threads(threads)
    network = to_torch(graph).to(memory_format=torch.channels_last)

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(x).to(memory_format=torch.channels_last)).numpy()
    return run


def torch_compile_engine(graph: Graph, folder: Path, threads: int) -> Engine:
    """torch.compile, which needs a C++ compiler and a minute."""
    import torch
    torch.set_num_threads(threads)
    network = torch.compile(to_torch(graph))

    def run(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(x)).numpy()
    return run


def ncnn_engine(graph: Graph, folder: Path, threads: int) -> Engine:
    """ncnn in float32, converted by pnnx."""
    import ncnn
    param, binary = _ncnn(graph, folder)
    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute = threads, False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    net.load_param(str(param))
    net.load_model(str(binary))
    inner, outer = net.input_names()[0], net.output_names()[0]

    def run(x: np.ndarray) -> np.ndarray:
        with net.create_extractor() as extractor:
            extractor.input(inner, ncnn.Mat(x[0]))
            return np.array(extractor.extract(outer)[1])[None]
    return run


def _onnx(graph: Graph, folder: Path) -> Path:
    path = folder / "network.onnx"
    if not path.exists():
        to_onnx(graph, path)
    return path


def _ncnn(graph: Graph, folder: Path) -> tuple[Path, Path]:
    param, binary = folder / "network.ncnn.param", folder / "network.ncnn.bin"
    if not param.exists():
        import torch
        shape = graph.inputs[0].shape
        torch.jit.trace(to_torch(graph), torch.zeros(shape)).save(str(folder / "network.pt"))
        pnnx = Path(sys.executable).with_name("pnnx")
        subprocess.run([str(pnnx), "network.pt", f"inputshape=[{','.join(map(str, shape))}]", "fp16=0"], cwd=folder,
                       check=True, capture_output=True)
    return param, binary


ENGINES: dict[str, Callable[[Graph, Path, int], Engine]] = {
    "onnxruntime": onnxruntime_engine, "openvino f32": openvino_engine, "ncnn": ncnn_engine, "torch": torch_engine,
    "torch.compile": torch_compile_engine,
}
