"""Compiles the pipeline for Airflow, Kubeflow Pipelines 2 or Vertex AI."""

import datetime
import os
import shlex
import sys
from typing import Any

import click
import yaml

from components.common.errors import InputError
from components.common.stderr_filter import quiet_stderr
from pipeline.cli.options import PLACE, PipelineOptions, output_option, pipeline_options


@click.group("compile")
def command() -> None:
    """Compiles the pipeline for an orchestrator.

    \b
    bert-tfx compile airflow --task mrpc --data DIR --output DIR --graph DAGS/mrpc.graph.json
    bert-tfx compile kfp --task mrpc --data gs://B/mrpc --root gs://B/bert --image I:1 --output mrpc.yaml
    """


@command.command("airflow")
@pipeline_options("Folder of TFRecords that `prepare` wrote.")
@output_option
@click.option("--graph", type=PLACE, required=True, help="The file to write.")
@click.option("--schedule", help="Cron expression, such as '0 2 * * *'; none without it.")
@click.option("--run-id", help="Compiles one run, with this id in ML Metadata.")
@click.option(
    "--same-stages-as",
    type=PLACE,
    metavar="GRAPH",
    help="Refuses a pipeline with other stages than this graph's.",
)
def airflow(
    graph: str, schedule: str | None, run_id: str | None, same_stages_as: str | None, **given: Any
) -> None:
    """Writes the graph that airflow_dag.py makes a DAG of.

    Airflow's own environment needs no TFX. With --run-id, which the DAG's first task passes, it writes
    the graph of one run, and TFX's compiled pipeline beside it.

    \b
    bert-tfx compile airflow --task mrpc --data DIR --output DIR --graph DAGS/mrpc.graph.json
    """
    started = datetime.datetime.now(datetime.timezone.utc)
    options = PipelineOptions(**given)
    task, beam_args = options.checked()
    with quiet_stderr():
        # It takes seconds to import, so bad arguments are reported before.
        from pipeline.orchestrators.airflow import GraphOptions, write_graph

        asked = GraphOptions(
            data=options.data,
            output=options.output,
            encoder=options.encoder,
            beam=["--beam", options.beam, *(f"--beam-arg={a}" for a in options.beam_arg)],
            graph=graph,
            schedule=schedule,
            run_id=run_id,
            same_stages_as=same_stages_as,
        )
        click.echo(write_graph(asked, task, beam_args, started))


def _cluster_command(target: str, name: str, root: str) -> None:
    """Adds the command of a backend that runs containers."""

    @command.command(
        target,
        help=f"""Writes the pipeline as a PipelineSpec 2.1 for {name}.

        Build the image from this checkout's Dockerfile, and upload the file with {root}
        Containers must see --root and --data.

        \b
        bert-tfx compile {target} --task mrpc --data gs://B/d --root gs://B/r --image I:1 --output p.yaml
        """,
    )
    @pipeline_options(
        "TFRecords that `prepare` wrote; the gate judges test where this machine sees the folder and it "
        "has that split, else eval."
    )
    @click.option("--image", required=True, help="Of all containers, with a tag or a digest.")
    @click.option(
        "--root", type=PLACE, required=True, help="URI or folder for artifacts, runs and serving."
    )
    @click.option("--output", type=PLACE, required=True, help="The .yaml file to write.")
    def cluster(image: str, root: str, output: str, **given: Any) -> None:
        _write_spec(target, PipelineOptions(**given), image, root, output)


_cluster_command(
    "kfp",
    "Kubeflow Pipelines 2",
    "kfp. Places are gs://, s3:// and minio:// URIs, or absolute paths.",
)
_cluster_command("vertex", "Vertex AI", "google-cloud-aiplatform. --root must be on gs://.")


def _write_spec(target: str, options: PipelineOptions, image: str, root: str, output: str) -> None:
    if not output.endswith((".yaml", ".yml")):
        raise InputError(f"--output {output}: end the name in .yaml; kfp takes no other.")
    task, beam_args = options.checked()
    with quiet_stderr():
        # It takes seconds to import, so bad arguments are reported before.
        from pipeline.orchestrators.kubeflow import spec_of

        spec = spec_of(target, image, task, options.encoder, options.data, root, beam_args)
    try:
        with open(output, "w") as file:
            yaml.safe_dump(spec, file)
    except OSError as error:
        raise InputError(f"--output {output} cannot be written: {error}.") from None
    click.echo(f"wrote {output}: {task.name} for {target}")
    click.echo(f"its image: {_build_command(options.encoder, image)}")
    if any(uri.startswith(("s3://", "minio://")) for uri in (root, options.data)):
        click.echo(
            "note: data is read and models are pushed by TensorFlow and Beam, and the image has no "
            "s3:// or minio:// file system for them; artifacts need none. Add one to the image, or "
            "submit with `data` and `push_destination` on gs:// or a mounted folder."
        )


def _build_command(encoder: str, image: str) -> str:
    """Returns the command that builds an image with the TFX that compiles, and the named encoder."""
    stack = {(3, 10): "116", (3, 11): "121"}[sys.version_info[:2]]
    named = [] if os.path.isdir(encoder) or "://" in encoder else [encoder]
    arguments = [f"--build-arg=STACK={stack}", *(f"--build-arg=ENCODER={n}" for n in named)]
    return shlex.join(["docker", "build", *arguments, "--tag", image, "."])
