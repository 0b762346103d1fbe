"""Runs a compiled PipelineSpec here, without a cluster: each container's own command, as a process.

It does what open-source Kubeflow Pipelines' driver and launcher do for a container: they give it an
ExecutorInput in place of {{$}}, and read the ExecutorOutput that it writes. Inputs bear names, outputs
do not. It has no cache, retries nothing, and knows no DAG but the root.
"""

import dataclasses
import graphlib
import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import yaml

SUCCEEDED, SKIPPED = "succeeded", "skipped"


class StageFailed(Exception):
    """A container did not end with code 0."""


@dataclasses.dataclass
class Task:
    """What became of a task; `artifacts` are RuntimeArtifacts by output key."""

    state: str
    artifacts: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)


def run(
    spec_file: pathlib.Path, folder: pathlib.Path, workdir: pathlib.Path, **parameters: Any
) -> dict[str, Task]:
    """Runs every task after those that it depends on.

    Args:
      spec_file: YAML.
      folder: for logs and for ExecutorOutputs; artifacts go to the spec's pipeline root.
      workdir: the image's working directory.
      parameters: those that do not keep their defaults.

    Returns:
      What became of each task, in the order in which they ran.

    Raises:
      StageFailed: with the end of the log.
      ValueError: parameters are missing or unknown, or an executor is neither container nor importer.
    """
    spec = yaml.safe_load(spec_file.read_text())
    parameters = _parameters(spec["root"], parameters)
    tasks = spec["root"]["dag"]["tasks"]
    done: dict[str, Task] = {}
    for name in graphlib.TopologicalSorter(
        {name: sorted(_upstream(task)) for name, task in tasks.items()}
    ).static_order():
        inputs = None
        if all(done[upstream].state == SUCCEEDED for upstream in _upstream(tasks[name])):
            inputs = _inputs(tasks[name].get("inputs", {}), parameters, done)
        condition = tasks[name].get("triggerPolicy", {}).get("condition")
        if inputs is None or (condition and not is_met(condition, inputs)):
            done[name] = Task(SKIPPED)
            continue
        component = spec["components"][tasks[name]["componentRef"]["name"]]
        executor = spec["deploymentSpec"]["executors"][component["executorLabel"]]
        outputs = component.get("outputDefinitions", {})
        if "importer" in executor:
            done[name] = _import(executor["importer"], inputs, outputs)
        elif "container" in executor:
            root = spec["defaultPipelineRoot"]
            invocation = {"inputs": inputs, "outputs": _outputs(outputs, root, folder, name)}
            done[name] = _run_container(name, executor["container"], invocation, folder, workdir)
        else:
            raise ValueError(f"{name}: non-container and non-importer executor not implemented")
        for key, artifact in done[name].artifacts.items():
            artifact["name"] = f"{name}-{key}"
    return done


def is_met(condition: str, inputs: dict[str, Any]) -> bool:
    """A trigger condition of the kind that TFX writes: comparisons of metadata, joined by && and ||."""

    def value(match: re.Match) -> str:
        name, index, key = match.groups()
        return repr(inputs["artifacts"][name]["artifacts"][int(index)].get("metadata", {}).get(key))

    python = re.sub(
        r"inputs\.artifacts\['(\w+)'\]\.artifacts\[(\d+)\]\.metadata\['(\w+)'\]", value, condition
    )
    python = re.sub(
        r"inputs\.parameter_values\['(\w+)'\]",
        lambda match: repr(inputs["parameterValues"][match[1]]),
        python,
    )
    python = python.replace("&&", " and ").replace("||", " or ").replace("!(", " not (")
    return bool(eval(python, {"__builtins__": {}}))


def _parameters(root: dict, given: dict[str, Any]) -> dict[str, Any]:
    declared = root.get("inputDefinitions", {}).get("parameters", {})
    if unknown := sorted(set(given) - set(declared)):
        raise ValueError(f"unknown parameters: {', '.join(unknown)}")
    defaults = {n: d["defaultValue"] for n, d in declared.items() if "defaultValue" in d}
    if missing := sorted(set(declared) - set(defaults) - set(given)):
        raise ValueError(f"missing parameters: {', '.join(missing)}")
    return {**defaults, **given}


def _upstream(task: dict) -> set[str]:
    inputs = task.get("inputs", {})
    sources = [a["taskOutputArtifact"] for a in inputs.get("artifacts", {}).values()]
    sources += [
        p["taskOutputParameter"]
        for p in inputs.get("parameters", {}).values()
        if "taskOutputParameter" in p
    ]
    return {*task.get("dependentTasks", []), *(source["producerTask"] for source in sources)}


def _inputs(declared: dict, parameters: dict[str, Any], done: dict[str, Task]) -> dict[str, Any]:
    """ExecutorInput.inputs."""

    def parameter(source: dict) -> Any:
        if "runtimeValue" in source:
            return source["runtimeValue"]["constant"]
        if "componentInputParameter" in source:
            return parameters[source["componentInputParameter"]]
        output = source["taskOutputParameter"]
        return done[output["producerTask"]].parameters[output["outputParameterKey"]]

    def artifacts(source: dict) -> dict[str, Any]:
        output = source["taskOutputArtifact"]
        return {"artifacts": [done[output["producerTask"]].artifacts[output["outputArtifactKey"]]]}

    return {
        "parameterValues": {n: parameter(p) for n, p in declared.get("parameters", {}).items()},
        "artifacts": {n: artifacts(a) for n, a in declared.get("artifacts", {}).items()},
    }


def _outputs(declared: dict, root: str, folder: pathlib.Path, task: str) -> dict[str, Any]:
    """ExecutorInput.outputs."""
    return {
        "artifacts": {
            key: {
                "artifacts": [{"uri": f"{root}/{task}/{key}", "type": definition["artifactType"]}]
            }
            for key, definition in declared.get("artifacts", {}).items()
        },
        "parameters": {
            key: {"outputFile": f"{folder}/{task}/{key}"} for key in declared.get("parameters", {})
        },
        "outputFile": f"{folder}/{task}/executor_output.json",
    }


def _import(importer: dict, inputs: dict, declared: dict) -> Task:
    uri = importer["artifactUri"]
    if "runtimeParameter" in uri:
        uri = inputs["parameterValues"][uri["runtimeParameter"]]
    else:
        uri = uri["constant"]
    (key,) = declared["artifacts"]
    artifact = {
        "uri": uri,
        "type": importer["typeSchema"],
        "metadata": importer.get("metadata", {}),
    }
    return Task(SUCCEEDED, {key: artifact})


def _run_container(
    name: str, container: dict, invocation: dict, folder: pathlib.Path, workdir: pathlib.Path
) -> Task:
    text = json.dumps(invocation)
    command = [
        part.replace("{{$}}", text) for part in [*container["command"], *container.get("args", [])]
    ]
    command[0] = sys.executable if command[0] == "python" else command[0]
    for listed in invocation["outputs"]["artifacts"].values():
        pathlib.Path(listed["artifacts"][0]["uri"]).parent.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    (folder / name).mkdir(parents=True)
    with open(log, "w") as file:
        ended = subprocess.run(command, cwd=workdir, stdout=file, stderr=subprocess.STDOUT)
    if ended.returncode:
        raise StageFailed(f"{name} ended with {ended.returncode}:\n{log.read_text()[-3000:]}")
    output_file = pathlib.Path(invocation["outputs"]["outputFile"])
    written = json.loads(output_file.read_text()) if output_file.exists() else {}
    artifacts = {}
    for key, listed in invocation["outputs"]["artifacts"].items():
        told = written.get("artifacts", {}).get(key, {}).get("artifacts", [{}])[0]
        artifacts[key] = {**listed["artifacts"][0], **told}
    return Task(SUCCEEDED, artifacts, written.get("parameterValues", {}))
