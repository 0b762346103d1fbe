"""Compiles the pipeline for Kubeflow Pipelines 2 or Vertex AI: python kubeflow_runner.py --task mrpc ...

    --target kfp --image REGISTRY/IMAGE:TAG --root gs://BUCKET/FOLDER --data gs://BUCKET/DATA
    --output mrpc.yaml

Build the image from this checkout's Dockerfile. Upload --output with kfp or google-cloud-aiplatform.
--root and --data take gs://, s3:// and minio:// URIs, and absolute paths of folders that every
container sees. With --target vertex, --root must be on gs://, and --data must be a URI.

Exit codes: 0 the file was written; 2 bad input or usage; 1 a fault.
"""

import argparse
import os
import sys

import yaml

from components.common.errors import InputError
from components.common.stderr_filter import quiet_stderr
from pipeline.cli.arguments import add_pipeline_arguments, task_and_beam

WRITTEN, BAD_INPUT = 0, 2


def main(arguments: list[str] | None = None) -> int:
    """Writes the compiled pipeline, and returns the exit code."""
    options = _parse(arguments)
    try:
        with quiet_stderr():
            spec = _compile(options)
        _write(spec, options.output)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    print(f"wrote {options.output}: {options.task} for {options.target}")
    print(f"its image: docker build {_build_arguments(options)} --tag {options.image} .")
    if any(uri.startswith(("s3://", "minio://")) for uri in (options.root, options.data)):
        print(
            "note: data is read and models are pushed by TensorFlow and Beam, and the image has no "
            "s3:// or minio:// file system for them; artifacts need none. Add one to the image, or "
            "submit with `data` and `push_destination` on gs:// or a mounted folder."
        )
    return WRITTEN


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_pipeline_arguments(
        parser,
        "TFRecords that `prepare` wrote; the gate judges test where this machine sees the folder "
        "and it has that split, else eval",
    )
    parser.add_argument("--target", required=True, help="the backend: kfp or vertex")
    parser.add_argument("--image", required=True, help="of all containers, with a tag or a digest")
    parser.add_argument(
        "--root", required=True, help="URI or folder for artifacts/TASK and serving/TASK"
    )
    parser.add_argument("--output", required=True, help="the .yaml file to write")
    return parser.parse_args(arguments)


def _compile(options: argparse.Namespace) -> dict:
    if not options.output.endswith((".yaml", ".yml")):
        raise InputError(f"--output {options.output}: end the name in .yaml; kfp takes no other.")
    task, beam = task_and_beam(options)

    # These imports take seconds, so bad arguments are reported before them.
    from components.data.tfrecords import check_records
    from components.models.bert.hub import resolve
    from pipeline.config import SCHEMA_DIRECTORY
    from pipeline.orchestrators.cluster import cluster_config
    from pipeline.orchestrators.kubeflow import compile_spec

    splits = {"eval"}
    if os.path.isdir(options.data):
        splits = set(check_records(options.data, str(SCHEMA_DIRECTORY / f"{task.name}.pbtxt")))
    config = cluster_config(
        options.target,
        task,
        resolve(options.encoder),
        options.data,
        options.root,
        eval_split="test" if "test" in splits else "eval",
        beam_args=beam,
    )
    return compile_spec(config, options.target, options.image)


def _write(spec: dict, output: str) -> None:
    try:
        with open(output, "w") as file:
            yaml.safe_dump(spec, file)
    except OSError as error:
        raise InputError(f"--output {output} cannot be written: {error}.") from None


def _build_arguments(options: argparse.Namespace) -> str:
    """Returns the build arguments of an image with the TFX that compiles, and the named encoder."""
    stack = {(3, 10): "116", (3, 11): "121"}[sys.version_info[:2]]
    named = [] if os.path.isdir(options.encoder) or "://" in options.encoder else [options.encoder]
    return " ".join([f"--build-arg STACK={stack}", *(f"--build-arg ENCODER={n}" for n in named)])


if __name__ == "__main__":
    sys.exit(main())
