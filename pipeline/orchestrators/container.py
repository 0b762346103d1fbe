"""Runs one stage in a container, with the arguments of TFX's own entry point.

It is the command of every container in a compiled pipeline. Two things differ from TFX's entry point.
`components` is imported before TensorFlow, since it chooses Keras 2. Artifacts on object stores that
TensorFlow has no file system for are read from, and written to, the folders where Kubeflow Pipelines
keeps its copies of them.
"""

import json
import pathlib
import runpy
import sys

import components  # noqa: F401

_TFX_ENTRY_POINT = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
_INVOCATION = "--json_serialized_invocation_args"
# Kubeflow Pipelines' launcher fetches inputs from here to there, and stores outputs from there.
_COPIES = {"minio://": "/minio/", "s3://": "/s3/"}


def main(arguments: list[str]) -> None:
    """Runs TFX's entry point; the process ends with TFX's exit code.

    Args:
      arguments: TFX's.
    """
    place = arguments.index(_INVOCATION) + 1
    invocation = json.loads(arguments[place])
    local = with_copies(invocation)
    sys.argv = [_TFX_ENTRY_POINT, *arguments[:place], json.dumps(local), *arguments[place + 1 :]]
    try:
        runpy.run_module(_TFX_ENTRY_POINT, run_name="__main__")
    except SystemExit as end:
        if not end.code and local != invocation:
            restore_uris(pathlib.Path(invocation["outputs"]["outputFile"]), invocation)
        raise


def with_copies(invocation: dict) -> dict:
    """Returns the ExecutorInput with each artifact's URI replaced by the folder of its copy.

    Args:
      invocation: ExecutorInput as JSON; its parameters stay as they are.
    """
    changed = json.loads(json.dumps(invocation))
    for side in ("inputs", "outputs"):
        for listed in changed.get(side, {}).get("artifacts", {}).values():
            for artifact in listed.get("artifacts", []):
                artifact["uri"] = _copy_of(artifact.get("uri", ""))
    return changed


def restore_uris(output_file: pathlib.Path, invocation: dict) -> None:
    """Replaces the URIs in TFX's output file by those that the invocation asked for."""
    written = json.loads(output_file.read_text())
    for name, listed in invocation["outputs"].get("artifacts", {}).items():
        for artifact, asked in zip(
            written.get("artifacts", {}).get(name, {}).get("artifacts", []), listed["artifacts"]
        ):
            artifact["uri"] = asked["uri"]
    output_file.write_text(json.dumps(written))


def _copy_of(uri: str) -> str:
    for scheme, folder in _COPIES.items():
        if uri.startswith(scheme):
            return folder + uri[len(scheme) :]
    return uri


if __name__ == "__main__":
    main(sys.argv[1:])
