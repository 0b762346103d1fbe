"""The pipeline as a PipelineSpec 2.1, for open-source Kubeflow Pipelines 2 and for Vertex AI."""

import dataclasses
import os
import re
from typing import Any

from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from components.common.errors import InputError
from components.data.tfrecords import check_records
from components.models.bert.hub import resolve
from components.spec.task import Task
from pipeline.config import SCHEMA_DIRECTORY, PipelineConfig
from pipeline.orchestrators.cluster import TARGETS, Target, cluster_config
from pipeline.pipeline import create_pipeline

_ENTRY_POINT = ("python", "-m", "pipeline.orchestrators.container")
_IMAGE = re.compile(r"[^\s@]+(?::(?P<tag>[\w.-]+)|@sha256:[0-9a-f]{64})")


@dataclasses.dataclass(frozen=True)
class Resources:
    """Limits of one container: CPUs, memory in GB (1e9 bytes), GPUs."""

    cpus: float
    memory_gb: float
    gpus: int = 0


# Importing TensorFlow and TFX takes 0.8 GB in every stage; Beam runs in the stage's own process.
_SMALL = Resources(cpus=1, memory_gb=4)
_BEAM = Resources(cpus=2, memory_gb=8)
RESOURCES = {
    "ImportExampleGen": _BEAM,
    "StatisticsGen": _BEAM,
    "Transform": _BEAM,
    "TokenStatistics": _BEAM,
    "Trainer": Resources(cpus=4, memory_gb=16, gpus=1),
    "Evaluator": _BEAM,
    "ServingCheck": _BEAM,  # TFX and the model, in two processes
}


def spec_of(
    target: str,
    image: str,
    task: Task,
    encoder: str,
    data: str,
    root: str,
    beam_args: tuple[str, ...],
) -> dict[str, Any]:
    """Returns the PipelineSpec of a task; see `cluster_config` and `compile_spec`.

    The gate judges the test split where this machine sees the data and they have one, else eval.
    """
    splits = {"eval"}
    if os.path.isdir(data):
        splits = set(check_records(data, str(SCHEMA_DIRECTORY / f"{task.name}.pbtxt")))
    eval_split = "test" if "test" in splits else "eval"
    config = cluster_config(target, task, resolve(encoder), data, root, eval_split, beam_args)
    return compile_spec(config, target, image)


def compile_spec(config: PipelineConfig, target: str, image: str) -> dict[str, Any]:
    """Returns the PipelineSpec as plain dictionaries and lists, ready for JSON or YAML.

    It has two runtime parameters with defaults: `data`, and `push_destination`, which is TFX's
    PushDestination as JSON. The root is `defaultPipelineRoot`, which a submission may override too.

    Raises:
      InputError: the image has no fixed version, the target would refuse or ignore a part of the
        pipeline, or it lacks what a setting needs.
    """
    _check_image(image)
    if config.task.serving.model_server:
        raise InputError(
            "--set model_server= starts a server in docker on the machine of the run, and the "
            f"containers of {target} have no docker. Leave it out."
        )
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
            default_image=image, default_commands=_ENTRY_POINT, use_pipeline_spec_2_1=True
        )
    )
    spec = runner.run(create_pipeline(config), write_out=False)["pipelineSpec"]
    spec["defaultPipelineRoot"] = config.artifacts
    _make_parameter(spec, "data", "input_base")
    _make_parameter(spec, "push_destination", "push_destination")
    _allot_resources(spec, TARGETS[target].gpu)
    if not TARGETS[target].runs_hooks:
        _drop_example_gen_driver(spec)
    for stage in ("Pusher", "WriteRecord"):  # their results depend on what is there already
        _never_cache(spec, stage)
    if config.baseline == "served":
        _never_cache(spec, "Baseline")
    if refused := refused_parts(spec, TARGETS[target]):
        raise InputError(f"The target {target} cannot run this pipeline: {'; '.join(refused)}.")
    return spec


def refused_parts(spec: dict[str, Any], target: Target) -> list[str]:
    """Returns what the backend would refuse when the pipeline is uploaded, or silently leave out."""
    refused = []
    for label, executor in sorted(spec["deploymentSpec"]["executors"].items()):
        stage = label.removesuffix("_executor")
        if "resolver" in executor and not target.runs_resolvers:
            refused.append(f"{stage} is a Resolver, and only containers and importers are run")
        if "lifecycle" in executor.get("container", {}) and not target.runs_hooks:
            refused.append(f"{stage} has a preCacheCheck, which would be left out")
    return refused


def _check_image(image: str) -> None:
    match = _IMAGE.fullmatch(image)
    if not match or match["tag"] == "latest":
        raise InputError(
            f"--image {image}: name a tag other than latest, or a digest (@sha256:...). Results are "
            "cached by the image's name, and would outlive a change of the code in it."
        )


def _make_parameter(spec: dict[str, Any], name: str, stage_input: str) -> None:
    """Makes a stage's input a runtime parameter of the pipeline, with its value as the default.

    TFX's own RuntimeParameter would lose the default.
    """
    for task in spec["root"]["dag"]["tasks"].values():
        inputs = task.get("inputs", {}).get("parameters", {})
        if stage_input in inputs:
            default = inputs[stage_input]["runtimeValue"]["constant"]
            inputs[stage_input] = {"componentInputParameter": name}
    parameters = spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
    parameters[name] = {"parameterType": "STRING", "defaultValue": default, "isOptional": True}


def _allot_resources(spec: dict[str, Any], gpu: str) -> None:
    """Sets the limits of every container; TFX itself would leave out ImportExampleGen's."""
    for label, executor in spec["deploymentSpec"]["executors"].items():
        if "container" in executor:
            resources = RESOURCES.get(label.removesuffix("_executor"), _SMALL)
            limits: dict[str, Any] = {
                "cpuLimit": resources.cpus,
                "memoryLimit": resources.memory_gb,
            }
            if resources.gpus:
                limits["accelerator"] = {"type": gpu, "count": str(resources.gpus)}
            executor["container"]["resources"] = limits


def _drop_example_gen_driver(spec: dict[str, Any]) -> None:
    """Removes ExampleGen's driver, a preCacheCheck, and the cache of its stage.

    The driver finds the newest span, and a fingerprint of the files for the cache. There are no spans
    here. Without the fingerprint a cached result could be of other data, so the stage always runs.
    """
    container = spec["deploymentSpec"]["executors"]["ImportExampleGen_executor"]["container"]
    container.pop("lifecycle", None)
    _never_cache(spec, "ImportExampleGen")


def _never_cache(spec: dict[str, Any], stage: str) -> None:
    spec["root"]["dag"]["tasks"][stage]["cachingOptions"] = {}
