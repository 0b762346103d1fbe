"""Mixed precision and XLA for any encoder, by a rewrite of the graph.

A SavedModel has its types fixed in its graph, so a Keras policy does not reach inside. TensorFlow's
graph optimizer does. On a GPU, matrix products and other safe operations run in 16 bits. On a CPU, only
matrix products do, because TensorFlow's other operations are slower in bfloat16 than in float32 there,
and less exact. Variables stay in 32 bits. XLA compiles the parts of a graph that it can into functions
of its own. Both act in training only; the exported model computes in 32 bits.
"""

import contextlib
import os
import pathlib
from collections.abc import Iterator

import tensorflow as tf

from components.common.errors import InputError

# The graph optimizer's option for each type.
_REWRITES = {
    "float32": {},
    "bfloat16": {"auto_mixed_precision_onednn_bfloat16": True},
    "float16": {"auto_mixed_precision": True},
}
# How much "auto_mixed_precision_onednn_bfloat16" rewrites, beside matrix products.
_LEVEL, _NOTHING_ELSE = "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_LEVEL", "TREAT_INFER_AS_DENY"
_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
# Volta; older GPUs have no tensor cores.
_GPU_COMPUTE_CAPABILITY = (7, 0)


def choose(setting: str) -> str:
    """Chooses a precision: "float32", "bfloat16" (on a CPU) or "float16" (on a GPU).

    Args:
      setting: one of the three, or "auto" for the fastest on this machine.
    """
    if setting != "auto":
        return setting
    gpus = tf.config.list_physical_devices("GPU")
    return _of_gpus(gpus) if gpus else _of_cpu(pathlib.Path("/proc/cpuinfo"))


def _of_gpus(gpus: list) -> str:
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        for gpu in gpus
    ]
    return "float16" if min(capabilities) >= _GPU_COMPUTE_CAPABILITY else "float32"


def _of_cpu(cpuinfo: pathlib.Path) -> str:
    """Returns "bfloat16" where the processor multiplies it; emulation is slower than float32."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return "bfloat16" if _CPU_FLAGS & set(flags) else "float32"


def refuse_jit_without_gpu() -> None:
    """Raises InputError where there is no GPU."""
    if not tf.config.list_physical_devices("GPU"):
        raise InputError(
            "jit_compile is true, and there is no GPU. On a CPU TensorFlow's XLA multiplies no "
            "bfloat16, and in float32 compiling takes longer than it saves. Leave jit_compile out."
        )


@contextlib.contextmanager
def rewritten_to(precision: str, jit_compile: bool = False) -> Iterator[None]:
    """Runs functions in `precision`, see `choose`, if they run for the first time in this block.

    With `jit_compile`, XLA compiles what it can of them, once for each shape. On a CPU it does so only
    where TF_XLA_FLAGS was --tf_xla_cpu_global_jit when TensorFlow ran its first function.
    """
    asked = _REWRITES[precision]
    before = tf.config.optimizer.get_experimental_options()
    level = os.environ.get(_LEVEL)
    if precision == "bfloat16":
        os.environ[_LEVEL] = _NOTHING_ELSE
    tf.config.optimizer.set_experimental_options(asked)
    tf.config.optimizer.set_jit("autoclustering" if jit_compile else "")
    try:
        yield
    finally:
        restored = {name: before.get(name, False) for name in asked}
        tf.config.optimizer.set_experimental_options(restored)
        tf.config.optimizer.set_jit("")
        if level is None:
            os.environ.pop(_LEVEL, None)
        else:
            os.environ[_LEVEL] = level
