"""The engine: networks as graphs, and graphs as plans that run fast."""
from .compiled import CompiledNet, compile, load_compiled
from .graph import Graph
from .lowering import CompileError
from .trace import TraceError, trace

__all__ = ["CompileError", "CompiledNet", "Graph", "TraceError", "compile", "load_compiled", "trace"]
