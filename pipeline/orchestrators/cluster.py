"""The configuration of runs on a cluster: what a backend requires, and what its containers see."""

import dataclasses

from components.common.cache import cache_directory
from components.common.errors import InputError
from components.spec.encoder import Encoder
from components.spec.task import Task
from pipeline.config import PipelineConfig, check_length

# As in the Dockerfile: the cache of the encoders that have a name, and a schema in the working folder.
IMAGE_CACHE = "/pipeline/.cache/bert-tfx-pipeline"
SCHEMA_IN_IMAGE = "schema/{task}.pbtxt"

_REMOTE = ("gs://", "s3://", "minio://")


@dataclasses.dataclass(frozen=True)
class Target:
    """A backend, and what it requires of a pipeline.

    Attributes:
      baseline: see PipelineConfig.
      gpu: what the backend calls one GPU.
      schemes: of the pipeline root's URI; None where a folder that every container sees is allowed too.
      runs_hooks: whether it runs a container's preCacheCheck, such as ExampleGen's driver.
      runs_resolvers: whether it runs Resolvers, which look up artifacts.
    """

    baseline: str
    gpu: str
    schemes: tuple[str, ...] | None
    runs_hooks: bool
    runs_resolvers: bool


TARGETS = {
    "kfp": Target("served", "nvidia.com/gpu", None, runs_hooks=False, runs_resolvers=False),
    "vertex": Target(
        "last_blessed", "NVIDIA_TESLA_T4", ("gs://",), runs_hooks=True, runs_resolvers=True
    ),
}


def cluster_config(
    target: str,
    task: Task,
    encoder: Encoder,
    data: str,
    root: str,
    eval_split: str,
    beam_args: tuple[str, ...],
) -> PipelineConfig:
    """Returns the configuration of runs on a cluster, whose data and root this machine need not see.

    Raises:
      InputError: the target is unknown; a URI lacks its bucket, or the target cannot use it; the data or
        the encoder is on this machine, and the root is not; the task's sequences are longer than the
        encoder takes.
    """
    if target not in TARGETS:
        raise InputError(f"There is no target {target!r}. The targets are: {', '.join(TARGETS)}.")
    check_length(task, encoder)
    root = _checked_uri("--root", root, TARGETS[target].schemes)
    data = _checked_uri("--data", data, None)
    if "://" in root and "://" not in data:
        raise InputError(
            f"--data {data}: a folder of this machine, and containers that write to {root} will not "
            "see it. Copy it to the object store and pass its URI."
        )
    return PipelineConfig(
        task=task,
        encoder=_in_image(encoder, root),
        data=data,
        root=root,
        schema_file=SCHEMA_IN_IMAGE.format(task=task.name),
        eval_split=eval_split,
        baseline=TARGETS[target].baseline,
        keeps_metadata=False,
        beam_args=beam_args,
    )


def _checked_uri(option: str, uri: str, schemes: tuple[str, ...] | None) -> str:
    """Returns the URI without its last slash; raises InputError where the target cannot use it."""
    scheme, separator, path = uri.partition("://")
    allowed = schemes or _REMOTE
    is_allowed = scheme + separator in allowed if separator else not schemes
    if not is_allowed:
        raise InputError(f"{option} {uri}: pass a URI that begins with {' or '.join(allowed)}.")
    if separator and not path.partition("/")[0]:
        raise InputError(f"{option} {uri}: the bucket is missing; write {scheme}://BUCKET/FOLDER.")
    if not separator and not uri.startswith("/"):
        raise InputError(
            f"{option} {uri}: pass a URI, or an absolute path of a folder that every container sees."
        )
    return uri.rstrip("/")


def _in_image(encoder: Encoder, root: str) -> Encoder:
    """Returns the encoder as containers find it: the image holds those that were fetched by name."""
    here = f"{cache_directory()}/"
    if encoder.path.startswith(here):
        return dataclasses.replace(
            encoder,
            path=encoder.path.replace(here, f"{IMAGE_CACHE}/", 1),
            vocab_file=encoder.vocab_file.replace(here, f"{IMAGE_CACHE}/", 1),
        )
    if "://" in root and "://" not in encoder.path:
        raise InputError(
            f"--encoder {encoder.handle}: a folder of this machine, which containers will not see. "
            "Copy it to the object store and pass its URI, or pass a preset."
        )
    return encoder
