"""DataGate stops training on data that breaks the schema; ExampleValidator only records anomalies."""

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts

from components.common.errors import InputError


@component
def DataGate(
    anomalies: InputArtifact[standard_artifacts.ExampleAnomalies],
    code: Parameter[str],
    passed: OutputArtifact[standard_artifacts.String],
):
    """Raises InputError with every anomaly of every split, or writes the splits that passed.

    Args:
      anomalies: ExampleValidator's, by split.
      code: hash of this module, for the cache.
      passed: the names of the splits, with commas between.
    """
    splits = artifact_utils.decode_split_names(anomalies.split_names)
    found = [line for split in splits for line in describe(anomalies.uri, split)]
    if found:
        raise InputError(
            "The data does not fit the schema:\n  "
            + "\n  ".join(found)
            + "\nMend the data and prepare it again, or, where the data is right, the schema."
        )
    passed.value = ",".join(splits)


def describe(uri: str, split: str) -> list[str]:
    """Describes the anomalies of a split, one line each."""
    (path,) = fileio.glob(f"{uri}/Split-{split}/*")
    with fileio.open(path, "rb") as file:
        info = anomalies_pb2.Anomalies.FromString(file.read()).anomaly_info
    return [
        f"{split}: {name}: {anomaly.short_description}: {anomaly.description}"
        for name, anomaly in sorted(info.items())
    ]
