"""The engine: networks as graphs, and graphs as plans that run fast."""
from .compiled import CompiledNet, compile, load_compiled
from .graph import Graph
from .lowering import CompileError
from .trace import TraceError, trace
from .training import TrainingStep, compile_training_step

__all__ = ["CompileError", "CompiledNet", "Graph", "TraceError", "TrainingStep", "compile", "compile_training_step",
           "load_compiled", "trace"]
