"""Compiles the kernels: each unit of them, once for each instruction set and element type.

A unit such as `eager/eager.pyx` becomes C once; that C file is compiled as `_eager_avx512_f32`, `_eager_avx2_f32`,
`_eager_generic_f64`, ... with the flags of each, and `tinycnn._kernels.dispatch` picks one at import.  Environment:

  TINYCNN_BUILD_ISA=avx512,avx2   build these only (development: a third of the time)
  TINYCNN_ENGINE_F64=1            build the engine for float64 too: plans are then tested to 1e-9
  TINYCNN_OPENMP=0                build without OpenMP
  TINYCNN_ANNOTATE=1              also write build/generated/tinycnn/_kernels/*/*.html: Python calls in yellow
  TINYCNN_DEBUG=1                 bounds checks, address and undefined-behaviour sanitisers
"""
import logging
import os
import platform
import re
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("tinycnn/_kernels")
DEBUGGING = os.environ.get("TINYCNN_DEBUG") == "1"
ANNOTATE = os.environ.get("TINYCNN_ANNOTATE") == "1"
UNITS = ("eager", "losses", "engine")
GENERATED = Path("build/generated-debug" if DEBUGGING else "build/generated")
FLAGS = Path("build/flags.txt")  # changes when the compiler or its flags do; whatever is older is compiled again
ISAS = {
    "x86_64": {"generic": ["-O2"],  # for processors from before 2013: small rather than fast
               "avx2": ["-mavx2", "-mfma"],
               "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"]},
    "arm64": {"neon": []},
}
TYPES = {"f32": [], "f64": ["-DTINYCNN_DOUBLE", "-Os"]}  # float64 checks gradients: it need not be fast, but small
OPTIMISE = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fno-semantic-interposition",
            "-fno-asynchronous-unwind-tables"]  # which nothing here reads: C has no exceptions
SHAPES = (  # in the generated C: inline functions of ours; what reads the arguments of a call; its body (generated.h)
    (re.compile(r"^static CYTHON_INLINE (?=.*__pyx_f_)", re.M), "static KERNEL_INLINE "),
    (re.compile(r"^static PyObject \*(?=__pyx_pw_)", re.M), "static CALL_SMALL PyObject *"),
    (re.compile(r"^static PyObject \*(?=__pyx_pf_)", re.M), "static KERNEL_BODY PyObject *"),
)
# Without these an accumulator array of 28 vectors is not unrolled into registers (gcc only).  Value range propagation
# rewrites conditions on the counters of such loops, and some of them then stay loops.
UNROLL = ["--param=max-completely-peeled-insns=12000", "--param=max-completely-peel-times=64", "-fno-tree-vrp"]
DEBUG = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
PROBE = "int main(void) { return 0; }\n"
PROBE_OPENMP = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"


def isas():
    """The instruction sets to build here, with their flags."""
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    known = ISAS.get(machine, {"generic": []})
    wanted = os.environ.get("TINYCNN_BUILD_ISA")
    chosen = wanted.split(",") if wanted else list(known)
    unknown = set(chosen) - set(known)
    if unknown:
        raise SystemExit(f"TINYCNN_BUILD_ISA: {', '.join(sorted(unknown))} is not among {', '.join(known)}")
    return {isa: known[isa] for isa in chosen}


class BuildKernels(build_ext):
    """Asks the compiler which flags it takes before it compiles anything."""

    def run(self):
        super().run()
        if not self.inplace:  # also for `pip install .`: a Python started in the checkout finds this tinycnn first
            self.copy_extensions_to_source()

    def build_extensions(self):
        if self.compiler.compiler_type == "msvc":
            raise SystemExit("tinycnn's kernels need gcc or clang (vector extensions); MSVC does not have them.")
        self.parallel = self.parallel or os.cpu_count()
        optimise = DEBUG if DEBUGGING else [flag for flag in OPTIMISE if self.accepts(flag)]
        optimise += [flag for flag in UNROLL if self.accepts(flag)]
        openmp = self.openmp_flags()
        strip = [] if DEBUGGING or platform.system() == "Darwin" else ["-Wl,-s"]
        for extension in self.extensions:
            extension.extra_compile_args = optimise + openmp + extension.extra_compile_args
            extension.depends = [*extension.depends, str(FLAGS)]
            extension.extra_link_args = [*openmp, *strip, *(["-fsanitize=address,undefined"] if DEBUGGING else [])]
        self.note_flags([*self.compiler.compiler_so, *optimise, *openmp])
        super().build_extensions()

    @staticmethod
    def note_flags(flags):
        """Write them down where they differ from the last build's, so that its date tells what is out of date."""
        if not FLAGS.exists() or FLAGS.read_text() != "\n".join(flags):
            FLAGS.parent.mkdir(exist_ok=True)
            FLAGS.write_text("\n".join(flags))

    def openmp_flags(self):
        """What turns OpenMP on, or nothing, with a notice: the kernels then run on one thread."""
        if os.environ.get("TINYCNN_OPENMP") != "0" and self.accepts("-fopenmp", PROBE_OPENMP, link=True):
            return ["-fopenmp"]
        self.announce("tinycnn: building WITHOUT OpenMP: kernels will use one thread", level=logging.WARNING)
        return []

    def accepts(self, flag, source=PROBE, link=False):
        """Whether the compiler (and the linker) take a flag without complaint."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "probe.c")
            file.write_text(source)
            try:
                objects = self.compiler.compile([str(file)], output_dir=folder, extra_postargs=["-Werror", flag])
                if link:
                    self.compiler.link_executable(objects, str(Path(folder, "probe")), extra_postargs=[flag])
            except Exception:  # distutils raises a type of its own for each compiler
                return False
        return True


def kernel_extensions():
    """One extension per unit, instruction set and element type; those of a unit share its generated C file."""
    checks = {"boundscheck": DEBUGGING, "initializedcheck": DEBUGGING}  # not in the file: its header would win
    sources = [Extension(f"tinycnn._kernels.{unit}.{unit}", [str(KERNELS / unit / f"{unit}.pyx")]) for unit in UNITS]
    cythonize(sources, compiler_directives=checks, build_dir=str(GENERATED), annotate=ANNOTATE, force=ANNOTATE,
              include_path=["."])
    for unit in UNITS:
        for isa, isa_flags in isas().items():
            for suffix, type_flags in types(unit, isa).items():
                yield kernel_extension(unit, f"_{unit}_{isa}_{suffix}", [*isa_flags, *type_flags])


def types(unit, isa):
    """The element types that a unit is built for: the engine runs in float32, and in float64 for its developers.

    Where there is a generic build it alone has float64, for the sake of the installation's size.
    """
    developing = os.environ.get("TINYCNN_ENGINE_F64") == "1"
    spared = isa != "generic" and "generic" in isas() and not (developing and isa == "avx512")
    return TYPES if (unit != "engine" or developing) and not spared else {"f32": TYPES["f32"]}


def kernel_extension(unit, name, flags):
    """The generated C file of a unit, compiled under a name with more flags."""
    code, copy = GENERATED / KERNELS / unit / f"{unit}.c", GENERATED / f"{name}.c"
    # A copy of its own name, so that parallel builds do not share an object file; its date says what to compile again.
    # What Cython needs for itself is to be small, not fast: it would be a third of the installation.
    text = f'#include "generated.h"\n{code.read_text()}'
    for pattern, replacement in SHAPES:
        text = pattern.sub(replacement, text)
    if not copy.exists() or copy.read_text() != text:
        copy.write_text(text)
    return Extension(f"tinycnn._kernels.{name}", [str(copy)], include_dirs=[str(KERNELS)],
                     depends=[str(header) for header in KERNELS.glob("*.h")],
                     extra_compile_args=[*flags, f"-DPyInit_{unit}=PyInit_{name}"])


def plain_extensions():
    """The two small modules without kernels: threads, and the processor's features."""
    names = ("parallel", "cpu")
    return cythonize([Extension(f"tinycnn._kernels.{name}", [str(KERNELS / f"{name}.pyx")]) for name in names],
                     build_dir=str(GENERATED))


setup(ext_modules=[*plain_extensions(), *kernel_extensions()], cmdclass={"build_ext": BuildKernels})
