"""Checks the environment: one line per check, with the remedy where one fails.

    bert-tfx doctor

Only the standard library is imported up front, and nothing of this project, so that a broken environment
is reported and not tripped over. `make setup` runs it as a file: python -I pipeline/doctor.py.
"""

import ast
import contextlib
import faulthandler
import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {(3, 10): ROOT / "locks" / "tfx116-py310.txt", (3, 11): ROOT / "locks" / "tfx121-py311.txt"}
REINSTALL = "remedy: rm -r .venv && make setup"

MODULES = (
    "tensorflow",
    "tf_keras",
    "tensorflow_hub",
    "tensorflow_text",
    "tensorflow_transform",
    "tensorflow_data_validation",
    "tensorflow_model_analysis",
    "ml_metadata",
    "apache_beam",
    "tfx",
)
DISK_GB_WANTED = 5
MEMORY_GB_WANTED = 8


class Fault(Exception):
    """A failed check; its text says what is wrong and what to do."""


class Warn(Exception):
    """Worth knowing, but nothing that keeps the pipeline from running."""


@contextlib.contextmanager
def _quiet():
    """Drops what libraries, C++ code included, write to stdout and stderr."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])


def _check_python():
    if sys.version_info[:2] not in LOCKS:
        raise Fault("fits neither lock; remedy: make setup")
    return f"{sys.version.split()[0]}, {sys.executable}"


def _check_packages():
    """Checks that every locked package is installed, in the locked version."""
    lock = LOCKS[sys.version_info[:2]]
    if not lock.exists():
        raise Warn("no lock is beside the installed package, so versions are not compared")
    locked = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE))
    installed = {
        re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower(): distribution.version
        for distribution in importlib.metadata.distributions()
    }
    wrong = [
        f"{name} {installed.get(name, 'missing')} instead of {version}"
        for name, version in locked.items()
        if installed.get(name) != version
    ]
    if wrong:
        raise Fault(f"{', '.join(wrong[:5])}{' ...' if len(wrong) > 5 else ''}; {REINSTALL}")
    return f"{len(locked)} as locked in {lock.relative_to(ROOT)}"


def _check_import(module):
    with _quiet():
        imported = importlib.import_module(module)
    return getattr(imported, "__version__", "")


def _check_minors():
    """tf.text's ops and tf_keras are built for exactly one TensorFlow minor."""
    versions = {
        name: importlib.metadata.version(name)
        for name in ("tensorflow", "tensorflow-text", "tf-keras")
    }
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    if len({tuple(version.split(".")[:2]) for version in versions.values()}) > 1:
        raise Fault(f"{listed}; {REINSTALL}")
    return listed


def _check_legacy_keras():
    with _quiet():
        tf = importlib.import_module("tensorflow")

    if not tf.keras.Model.__module__.startswith("tf_keras"):
        raise Fault(f"tf.keras is {tf.keras.Model.__module__}, though TF_USE_LEGACY_KERAS=1 is set")
    return "tf.keras is tf_keras"


def _check_components():
    """Every name that tfx.v1.components offers can be imported.

    TFX 1.21 swallows a component's ImportError there and leaves None in its place. So the imports
    in its source are done one by one, which shows the error and saves the 30 s of `import tfx.v1`.
    """
    tfx = Path(importlib.util.find_spec("tfx").origin or "").parent  # type: ignore[union-attr]
    source = tfx / "v1" / "components" / "__init__.py"
    imports = [
        node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.ImportFrom)
    ]
    for statement in imports:
        with _quiet():
            module = importlib.import_module(statement.module or "")
        for alias in statement.names:
            if getattr(module, alias.name, None) is None:
                raise Fault(f"{statement.module} lacks {alias.name}; {REINSTALL}")
    return f"all {len(imports)} of tfx.v1.components load"


def _check_text_op():
    """Really runs one op of tf.text: its shared library has to match TensorFlow's."""
    with _quiet():
        tensorflow_text = importlib.import_module("tensorflow_text")

        tokens = tensorflow_text.WhitespaceTokenizer().tokenize(["one two"]).to_list()
    if tokens != [[b"one", b"two"]]:
        raise Fault(f"tf.text tokenized 'one two' as {tokens}; {REINSTALL}")
    return "tf.text runs"


def _check_gpus():
    with _quiet():
        tf = importlib.import_module("tensorflow")

        gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return f"{len(gpus)}"
    if shutil.which("nvidia-smi") or Path("/dev/nvidia0").exists():
        raise Warn(
            "TensorFlow sees none, though the machine has an NVIDIA driver; remedy: "
            "WITH_CUDA=1 make setup, or a newer driver if that was done"
        )
    return "none: training runs on the CPU"


def _check_disk():
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    if free_gb < DISK_GB_WANTED:
        raise Warn(f"{free_gb:.1f} GB free in {ROOT}; a run may need {DISK_GB_WANTED}")
    return f"{free_gb:.0f} GB free"


def _check_memory():
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if memory_gb < MEMORY_GB_WANTED:
        raise Warn(f"{memory_gb:.1f} GB; training BERT-base wants {MEMORY_GB_WANTED}")
    return f"{memory_gb:.0f} GB"


def _run(name, check, *arguments) -> bool:
    """Prints one line; returns whether the check passed."""
    start = time.monotonic()
    try:
        mark, text = "ok  ", check(*arguments)
    except Warn as warning:
        mark, text = "warn", str(warning)
    except Fault as fault:
        mark, text = "FAIL", str(fault)
    except Exception as error:
        mark, text = "FAIL", f"{traceback.format_exception_only(error)[-1].strip()}; {REINSTALL}"
    seconds = time.monotonic() - start
    took = f" ({seconds:.0f} s)" if seconds >= 1 else ""
    print(f"{mark} {name}: {text}{took}", flush=True)
    return mark != "FAIL"


def main() -> bool:
    """Prints one line per check and a sum; returns whether one failed."""
    faulthandler.enable(os.dup(2))  # a crash inside a library must show, though stderr is dropped
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    checks: list[tuple] = [
        ("python", _check_python),
        ("packages", _check_packages),
        *((f"import {module}", _check_import, module) for module in MODULES),
        ("one TensorFlow minor", _check_minors),
        ("legacy Keras", _check_legacy_keras),
        ("tf.text ops", _check_text_op),
        ("TFX components", _check_components),
        ("GPUs", _check_gpus),
        ("disk", _check_disk),
        ("memory", _check_memory),
    ]
    faults = [name for name, *check in checks if not _run(name, *check)]
    if faults:
        print(f"doctor: {len(faults)} of {len(checks)} checks failed: {', '.join(faults)}")
    else:
        print(f"doctor: all {len(checks)} checks passed")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
