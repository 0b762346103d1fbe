import dataclasses

import pytest
from google.protobuf import text_format
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import standard_artifacts

from components.data.drift_gate import comparators
from components.spec.registry import load_task, task_names
from pipeline.config import SCHEMA_DIRECTORY
from pipeline.resolvers.last_statistics import LastBlessedStatistics, statistics_options
from tests.pipeline.orchestrators.test_kubeflow import config

KINDS = ("Examples", "ExampleStatistics", "Model", "ModelBlessing")


class Runs:
    """Examples, their statistics, and models trained on them, in a metadata store."""

    def __init__(self):
        connection = mlmd.ConnectionConfig()
        connection.fake_database.SetInParent()
        self.store = metadata_store.MetadataStore(connection)
        self._types = {k: self.store.put_artifact_type(mlmd.ArtifactType(name=k)) for k in KINDS}
        self._execution = self.store.put_execution_type(mlmd.ExecutionType(name="Stage"))
        self.statistics, self.blessings = [], []

    def _executed(self, kind: str, examples: int | None, options: str = "") -> int:
        """Id of the artifact that an execution made of the examples."""
        (artifact,) = self.store.put_artifacts([mlmd.Artifact(type_id=self._types[kind])])
        execution = mlmd.Execution(type_id=self._execution)
        execution.custom_properties["stats_options_json"].string_value = options
        (execution_id,) = self.store.put_executions([execution])
        for key, identity, side in (
            ("examples", examples, mlmd.Event.INPUT),
            ("made", artifact, mlmd.Event.OUTPUT),
        ):
            if identity:
                event = mlmd.Event(execution_id=execution_id, artifact_id=identity, type=side)
                event.path.steps.add(key=key)
                self.store.put_events([event])
        return artifact

    def data(self, options: str = "bert") -> tuple[int, standard_artifacts.ExampleStatistics]:
        """Id of new transformed examples, and their statistics; those of raw ones lie beside them."""
        self._executed("ExampleStatistics", self._executed("Examples", None), "raw")
        examples = self._executed("Examples", None)
        artifact = standard_artifacts.ExampleStatistics()
        artifact.id = self._executed("ExampleStatistics", examples, options)
        artifact.uri = __file__
        self.statistics.append(artifact)
        return examples, artifact

    def model(self, examples: int, blessed: int = 1) -> None:
        blessing = standard_artifacts.ModelBlessing()
        blessing.set_int_custom_property("current_model_id", self._executed("Model", examples))
        blessing.set_int_custom_property("blessed", blessed)
        blessing.id = self._executed("ModelBlessing", None)
        self.blessings.append(blessing)

    def before(self, current: standard_artifacts.ExampleStatistics) -> list[int]:
        resolved = LastBlessedStatistics().resolve_artifacts(
            self.store,
            {
                "current": [current],
                "statistics": self.statistics,
                "model_blessing": self.blessings,
            },
        )
        return [artifact.id for artifact in resolved["statistics"]]


@pytest.fixture
def runs() -> Runs:
    return Runs()


def test_the_first_data_has_none_and_keeps_none_when_it_is_repeated(runs):
    examples, first = runs.data()
    assert runs.before(first) == []
    runs.model(examples)
    assert runs.before(first) == []


def test_new_data_is_compared_with_that_of_the_last_blessed_model(runs):
    examples, first = runs.data()
    runs.model(examples)
    more_examples, second = runs.data()
    assert runs.before(second) == [first.id]
    runs.model(more_examples)
    _, third = runs.data()
    assert runs.before(third) == [second.id]
    assert runs.before(second) == [first.id] and runs.before(first) == [second.id]


def test_data_of_a_refused_model_is_passed_by(runs):
    examples, first = runs.data()
    runs.model(examples)
    more_examples, _ = runs.data()
    runs.model(more_examples, blessed=0)
    assert runs.before(runs.data()[1]) == [first.id]


def test_statistics_whose_files_are_gone_are_passed_by(runs):
    examples, first = runs.data()
    runs.model(examples)
    more_examples, second = runs.data()
    runs.model(more_examples)
    second.uri = "gone"
    assert runs.before(runs.data()[1]) == [first.id]


def test_another_encoder_starts_anew(runs):
    examples, _ = runs.data("bert")
    runs.model(examples)
    assert runs.before(runs.data("cased bert")[1]) == []


@pytest.mark.parametrize("name", task_names())
def test_every_text_of_every_task_is_compared(name):
    file = SCHEMA_DIRECTORY / f"{name}.pbtxt"
    texts = load_task(name).head.text_features
    schema = comparators(text_format.Parse(file.read_text(), schema_pb2.Schema()), texts)
    kinds = ("n_tokens", "n_unknown_tokens", "ids$ragged_values")
    made = {f"{text}_{kind}" for text in texts for kind in kinds}
    assert made == {feature.name for feature in schema.feature} - {"label"}
    for feature in schema.feature:
        assert feature.HasField("drift_comparator") and feature.HasField("skew_comparator")


def test_the_statistics_depend_on_the_encoder_and_on_no_threshold():
    options = statistics_options(config())
    features = {feature.name: feature for feature in options.schema.feature}
    assert set(options.feature_allowlist) == set(features) and "label" in features
    assert {"sentence1_n_tokens", "sentence2_ids$ragged_values"} < set(features)
    for feature in features.values():
        assert not feature.HasField("drift_comparator") and not feature.HasField("skew_comparator")
        assert not feature.lifecycle_stage
    other = dataclasses.replace(config().encoder, sha256="1")
    of_other = statistics_options(dataclasses.replace(config(), encoder=other))
    assert options.to_json() != of_other.to_json()
