"""The stage that writes the record of a run on Kubeflow or Vertex AI, where no ML Metadata is kept."""

import dataclasses
import re

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import Artifact as TfxArtifact
from tfx.types import standard_artifacts

from pipeline.config import PipelineConfig
from pipeline.fingerprint import stage_code
from pipeline.runs.record import (
    Data,
    EncoderName,
    RunRecord,
    from_json,
    task_of,
    to_json,
)
from pipeline.runs.run import Artifact, Run, Stage
from pipeline.runs.verdict import now, with_results


def asked_for(config: PipelineConfig) -> str:
    """Returns the record as JSON as far as it is known when the pipeline is compiled."""
    record = RunRecord(
        task=config.task.name,
        number=0,
        run_id="",
        started=None,
        data=Data(config.data),
        encoder=EncoderName(config.encoder.handle, config.encoder.sha256),
        settings=config.task.settings(),
        eval_split=config.eval_split,
        code={name: stage_code(name, config.task.head) for name in ("Transform", "Trainer")},
    )
    return to_json(record)


@component
def WriteRecord(
    asked: Parameter[str],
    input_base: Parameter[str],
    root: Parameter[str],
    examples: InputArtifact[standard_artifacts.Examples],
    model_run: InputArtifact[standard_artifacts.ModelRun],
    evaluation: InputArtifact[standard_artifacts.ModelEvaluation],
    blessing: InputArtifact[standard_artifacts.ModelBlessing],
    serving: InputArtifact[standard_artifacts.InfraBlessing],
    pushed_model: InputArtifact[standard_artifacts.PushedModel],
    record: OutputArtifact[standard_artifacts.String],
):
    """Writes `ROOT/runs/TASK-NUMBER.json`, as a run on one machine does.

    The run's id is the URI of what Pusher wrote, which holds Kubeflow's id. A stage that failed leaves
    no record, since this one does not run then; times of stages are Kubeflow's to tell.

    Args:
      asked: see `asked_for`.
      input_base: the folder of the data, named as ImportExampleGen names it, since a submission may
        change it for both.
      root: the folder, or URI, under which everything is written.
      serving: ServingCheck's blessing.
      record: the path of the file.
    """
    given = {
        "ImportExampleGen": {"examples": examples},
        "Trainer": {"model_run": model_run},
        "Evaluator": {"evaluation": evaluation, "blessing": blessing},
        "ServingCheck": {"blessing": serving},
        "Pusher": {"pushed_model": pushed_model},
    }
    stages = {
        node: Stage("COMPLETE", 0, {}, {}, {k: [_plain(a)] for k, a in outputs.items()})
        for node, outputs in given.items()
    }
    begun = from_json(asked)
    number = 1 + max(
        (_number(f) for f in fileio.glob(f"{root}/runs/{begun.task}-*.json")), default=0
    )
    begun = dataclasses.replace(
        begun, number=number, run_id=pushed_model.uri, data=Data(input_base)
    )
    run = Run(number, begun.run_id, 0, stages)
    ended = dataclasses.replace(with_results(begun, run, task_of(begun)), ended=now())
    record.value = _write(f"{root}/runs/{ended.task}-{number}.json", to_json(ended))


def _plain(artifact: TfxArtifact) -> Artifact:
    names = artifact.mlmd_artifact.custom_properties
    return Artifact(artifact.uri, {name: artifact.get_custom_property(name) for name in names})


def _number(file: str) -> int:
    found = re.search(r"-(\d+)\.json$", file)
    return int(found[1]) if found else 0


def _write(file: str, text: str) -> str:
    """Writes whole or not at all, on whatever file system TensorFlow knows, and returns the path."""
    fileio.makedirs(file.rpartition("/")[0])
    with fileio.open(f"{file}.partial", "w") as partial:
        partial.write(text)
    fileio.rename(f"{file}.partial", file)
    return file
