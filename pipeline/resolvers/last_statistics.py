"""The resolver of the statistics that DriftGate compares with, those of the last blessed model."""

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import ResolverStrategy

from components.data.drift_gate import comparators
from pipeline.config import SCHEMA_DIRECTORY, PipelineConfig
from pipeline.resolvers.anchor import is_there
from pipeline.runs.metadata import input_of, producer


def statistics_options(config: PipelineConfig) -> tfdv.StatsOptions:
    """Returns options for statistics of the features that the schema has drift thresholds for.

    The thresholds themselves are left out, so that the statistics do not depend on them. A tag names
    the encoder.
    """
    file = SCHEMA_DIRECTORY / f"{config.task.name}.pbtxt"
    read = text_format.Parse(file.read_text(), schema_pb2.Schema())
    schema = comparators(read, config.task.head.text_features)
    for feature in schema.feature:
        feature.ClearField("drift_comparator")
        feature.ClearField("skew_comparator")
    schema.annotation.tag.append(f"encoder {config.encoder.sha256}")
    names = [feature.name for feature in schema.feature]
    return tfdv.StatsOptions(schema=schema, feature_allowlist=names)


class LastBlessedStatistics(ResolverStrategy):
    """Finds the statistics of the examples that the last blessed model was trained on.

    Statistics of the current examples do not count, so that a repeated run is compared with the same
    statistics as before. Those made with other options do not count either, since two encoders split
    text differently.
    """

    def resolve_artifacts(self, store, input_dict):
        """Returns the current statistics and the earlier ones; none of those where there are none.

        Args:
          input_dict: current (one), statistics (all), model_blessing (all).
        """
        (current,) = input_dict["current"]
        by_examples = {
            input_of(store, execution, "examples"): artifact
            for artifact in input_dict["statistics"]
            if is_there(artifact)
            and (execution := producer(store, artifact.id))
            and _options(execution) == _options(producer(store, current.id))
        }
        blessed = [
            blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY)
            for blessing in sorted(input_dict["model_blessing"], key=lambda blessing: -blessing.id)
            if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY) == 1
        ]
        found = []
        for model in blessed:
            trained_on = input_of(store, producer(store, model), "examples")
            if by_examples.get(trained_on, current).id != current.id:
                found = [by_examples[trained_on]]
                break
        return {"current": [current], "statistics": found, "model_blessing": []}


def _options(execution) -> str:
    return execution.custom_properties["stats_options_json"].string_value
