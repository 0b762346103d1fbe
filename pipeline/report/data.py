"""The results of StatisticsGen, ExampleValidator and DriftGate, as the page shows them."""

import dataclasses
import json
import pathlib

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.data.data_gate import describe
from components.data.drift_gate import Distance, measure
from components.preprocessing.target_gate import Unusable
from pipeline.runs.run import Stage


@dataclasses.dataclass(frozen=True)
class FeatureCount:
    """One feature of one split.

    Attributes:
      examples: how many the split has.
      missing: how many examples have no value.
      typical: the values in a few words.
    """

    feature: str
    split: str
    examples: int
    missing: int
    typical: str


def feature_counts(statistics: str) -> list[FeatureCount]:
    """Reads the counts of each feature and split from the folder that StatisticsGen wrote."""
    counts = []
    for file in sorted(pathlib.Path(statistics).glob("Split-*/FeatureStats.pb")):
        split = file.parent.name.removeprefix("Split-")
        read = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
        for dataset in read.datasets:
            counts += [_count(split, dataset.num_examples, f) for f in dataset.features]
    return sorted(counts, key=lambda count: (count.feature, count.split))


def anomalies(validator: Stage) -> list[str]:
    """Reads what does not fit the schema, one line for each anomaly."""
    artifact = validator.output("anomalies")
    if not artifact:
        return []
    folders = sorted(pathlib.Path(artifact.uri).glob("Split-*"))
    return [line for f in folders for line in describe(artifact.uri, f.name.removeprefix("Split-"))]


def unusable(gate: Stage) -> list[Unusable]:
    """Reads how many train examples could not be trained on, and why."""
    artifact = gate.output("unusable")
    if not artifact:
        return []
    return [Unusable(**fields) for fields in json.loads(pathlib.Path(artifact.uri).read_text())]


def distances(gate: Stage) -> list[Distance]:
    """Measures the distances again, also of a gate that refused, the closest to its bound first."""
    uris = {key: artifacts[0].uri for key, artifacts in gate.inputs.items()}
    texts = json.loads(gate.parameters.get("text_features") or "[]")
    found = measure(uris["statistics"], uris["schema"], texts, uris.get("previous"))
    return sorted(found, key=lambda d: d.value / d.bound if d.bound else d.value, reverse=True)


def _count(split: str, examples: int, feature) -> FeatureCount:
    name = feature.name or ".".join(feature.path.step)
    if feature.HasField("num_stats"):
        numbers = feature.num_stats
        typical = f"{numbers.min:g} to {numbers.max:g}, mean {numbers.mean:.4g}"
        common = numbers.common_stats
    elif feature.HasField("string_stats"):
        text = feature.string_stats
        typical = f"{text.unique:,} different, {text.avg_length:.0f} bytes on average"
        common = text.common_stats
    else:
        typical, common = "", feature.bytes_stats.common_stats
    return FeatureCount(name, split, examples, common.num_missing, typical)
