"""DriftGate stops training on data unlike the last blessed model's, or with splits that differ."""

import collections
import dataclasses
import json
import math
import os
import statistics as statistics_module
from collections.abc import Callable, Iterator, Sequence

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from scipy import stats
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from components.common.errors import InputError
from components.spec.heads import ids_feature, n_tokens_feature, n_unknown_tokens_feature

_DISTANCES = {
    anomalies_pb2.DriftSkewInfo.Measurement.L_INFTY: "L-infinity distance",
    anomalies_pb2.DriftSkewInfo.Measurement.JENSEN_SHANNON_DIVERGENCE: "Jensen-Shannon divergence",
}

# Of one comparison, where nothing has changed: a run makes some twenty.
_FALSE_ALARMS = 0.0005
_STANDARD_ERRORS = statistics_module.NormalDist().inv_cdf(1 - _FALSE_ALARMS / 2)


def _token_ids(text: str) -> str:
    """Returns TFDV's name of the values of a text's ragged ids."""
    return f"{ids_feature(text)}$ragged_values"


# The name of a feature that Transform makes of each text -> its thresholds: how far it may be from the
# last blessed model's data (drift), and in another split from train (skew). A schema may hold a feature
# of that name with other thresholds; it needs `lifecycle_stage: DEBUG_ONLY`, which keeps it apart from
# the features of the records.
TOKEN_FEATURES: dict[Callable[[str], str], str] = {
    n_tokens_feature: """
        drift_comparator { jensen_shannon_divergence { threshold: 0.1 } }
        skew_comparator { jensen_shannon_divergence { threshold: 0.2 } }
    """,
    n_unknown_tokens_feature: """
        int_domain { is_categorical: true }
        drift_comparator { infinity_norm { threshold: 0.05 } }
        skew_comparator { infinity_norm { threshold: 0.1 } }
    """,
    _token_ids: """
        int_domain { is_categorical: true }
        drift_comparator { infinity_norm { threshold: 0.03 } }
        skew_comparator { infinity_norm { threshold: 0.05 } }
    """,
}


@dataclasses.dataclass(frozen=True)
class Distance:
    """The distance of one feature from what it is compared with, as TFDV measures it.

    Attributes:
      split: whose feature it is.
      against: the same split of the last blessed model, or train.
      kind: which distance; all lie between 0 and 1.
      threshold: the schema's; more is refused, where it is more than `noise` too.
      noise: what two samples of the same data of these sizes stay below, but for one in 2,000 pairs.
    """

    feature: str
    split: str
    against: str
    kind: str
    value: float
    threshold: float
    noise: float = 0.0

    @property
    def bound(self) -> float:
        """The distance that is refused from here on: the threshold, or the noise where that is more."""
        return max(self.threshold, self.noise)

    @property
    def is_above(self) -> bool:
        """Whether it is above the bound, or not a number."""
        return not self.value <= self.bound  # NaN is, too.


@component
def DriftGate(
    statistics: InputArtifact[standard_artifacts.ExampleStatistics],
    schema: InputArtifact[standard_artifacts.Schema],
    text_features: Parameter[str],
    drift: Parameter[str],
    code: Parameter[str],
    distances: OutputArtifact[standard_artifacts.String],
    previous: InputArtifact[standard_artifacts.ExampleStatistics] = None,
):
    """Raises InputError with every distance above its threshold, or writes all distances as JSON.

    Each split is compared with the last blessed model's (the schema's drift_comparator). All but train
    are compared with train too (its skew_comparator). A distance counts where it is above its threshold,
    and above what samples of these sizes differ by where nothing has changed.

    Args:
      statistics: of the transformed examples, by split.
      schema: holds the thresholds.
      text_features: JSON list of the task's text features, whose tokens are compared too.
      drift: "accept" writes distances above their thresholds too, instead of raising.
      code: hash of this module, for the cache.
      previous: as `statistics`, of the last blessed model's data; None where there is none.
    """
    found = measure(
        statistics.uri,
        schema.uri,
        json.loads(text_features),
        previous.uri if previous else None,
    )
    above = [distance for distance in found if distance.is_above]
    if above and drift != "accept":
        lines = (
            f"{d.split}: {d.feature}: {d.kind} {d.value:.4f} from {d.against}, more than {d.bound:.4g}"
            for d in above
        )
        raise InputError(
            "The data has changed:\n  "
            + "\n  ".join(lines)
            + "\nLook at it; where it is right, pass --set drift=accept for this run, or raise the "
            "feature's threshold in the schema."
        )
    distances.value = json.dumps([dataclasses.asdict(distance) for distance in found])


def measure(
    statistics: str, schema: str, text_features: Sequence[str], previous: str | None
) -> list[Distance]:
    """Measures the distances between the artifacts of these URIs.

    Args:
      statistics: of the transformed examples.
      schema: holds the thresholds.
      text_features: whose tokens are compared too.
      previous: statistics of the last blessed model's data, None where there is none.
    """
    read = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema))
    thresholds = comparators(read, text_features)
    before = _by_split(previous) if previous else {}
    return list(compare(_by_split(statistics), before, thresholds))


def comparators(schema: schema_pb2.Schema, text_features: Sequence[str]) -> schema_pb2.Schema:
    """Chooses the features to compare: those with a threshold in the schema, and the tokens'.

    A feature of the tokens that is in the schema keeps its thresholds there, see `TOKEN_FEATURES`.
    """
    chosen = schema_pb2.Schema()
    for feature in schema.feature:
        if feature.HasField("drift_comparator") or feature.HasField("skew_comparator"):
            chosen.feature.add().CopyFrom(feature)
            # TFDV skips a feature that has one.
            chosen.feature[-1].ClearField("lifecycle_stage")
    known = {feature.name for feature in chosen.feature}
    for text in text_features:
        for name_of, thresholds in TOKEN_FEATURES.items():
            if (name := name_of(text)) not in known:
                chosen.feature.add(name=name, type=schema_pb2.INT)
                text_format.Merge(thresholds, chosen.feature[-1])
    return chosen


def compare(
    now: dict[str, statistics_pb2.DatasetFeatureStatisticsList],
    before: dict[str, statistics_pb2.DatasetFeatureStatisticsList],
    thresholds: schema_pb2.Schema,
) -> Iterator[Distance]:
    """Yields the distances of all splits, by TFDV.

    Args:
      now, before: split -> its statistics.
      thresholds: the features to compare.
    """
    for split, statistics in now.items():
        if split in before:
            drift = tfdv.validate_statistics(
                statistics, thresholds, previous_statistics=before[split]
            )
            for info in drift.drift_skew_info:
                found = _distances(info, info.drift_measurements, split, "the last blessed data")
                yield from _with_noise(found, statistics, before[split])
        if split != "train":
            skew = tfdv.validate_statistics(now["train"], thresholds, serving_statistics=statistics)
            for info in skew.drift_skew_info:
                found = _distances(info, info.skew_measurements, split, "train")
                yield from _with_noise(found, statistics, now["train"])


def _distances(info, measurements, split: str, against: str) -> Iterator[Distance]:
    feature = ".".join(info.path.step)
    for found in measurements:
        kind = _DISTANCES[found.type]
        yield Distance(feature, split, against, kind, found.value, found.threshold)


def _with_noise(
    found: Iterator[Distance],
    one: statistics_pb2.DatasetFeatureStatisticsList,
    other: statistics_pb2.DatasetFeatureStatisticsList,
) -> Iterator[Distance]:
    for distance in found:
        pair = [_feature(statistics, distance.feature) for statistics in (one, other)]
        noise = _NOISES[distance.kind](*pair) if all(pair) else 0.0
        yield dataclasses.replace(distance, noise=noise)


def _feature(
    statistics: statistics_pb2.DatasetFeatureStatisticsList, name: str
) -> statistics_pb2.FeatureNameStatistics | None:
    features = statistics.datasets[0].features
    return next((f for f in features if ".".join(f.path.step) == name), None)


def _infinity_noise(*pair: statistics_pb2.FeatureNameStatistics) -> float:
    """Bounds the L-infinity distance of two samples, by the variance of the value that differs most.

    The examples are what is drawn, also of a feature with many values each: a value's fraction of an
    example's values has at most the variance that it would have with one value an example.
    """
    counts = [_value_counts(feature) for feature in pair]
    totals = [max(sum(count.values()), 1) for count in counts]

    def difference(value: str) -> float:
        return abs(counts[0][value] / totals[0] - counts[1][value] / totals[1])

    most = max({*counts[0], *counts[1]}, key=difference, default="")
    # Two more with and two without, as for Agresti and Coull's interval: few examples may all have it.
    pooled = (sum(count[most] for count in counts) + 2) / (sum(totals) + 4)
    return _STANDARD_ERRORS * math.sqrt(pooled * (1 - pooled) * sum(map(_one_over_size, pair)))


def _divergence_noise(*pair: statistics_pb2.FeatureNameStatistics) -> float:
    """Bounds the Jensen-Shannon divergence (in bits) of two samples.

    Near 0 it is an eighth of the chi-squared distance, over ln 2, and that is distributed as chi-squared
    with one degree of freedom less than there are buckets, times 1/n + 1/m.
    """
    histograms = [h for f in pair if f.HasField("num_stats") for h in f.num_stats.histograms]
    buckets = 2 * max(
        (len(h.buckets) for h in histograms), default=0
    )  # TFDV joins their boundaries
    values = len({value for feature in pair for value in _value_counts(feature)})
    quantile = stats.chi2.isf(_FALSE_ALARMS, max(buckets, values) - 1)
    return float(quantile * sum(map(_one_over_size, pair)) / (8 * math.log(2)))


def _value_counts(feature: statistics_pb2.FeatureNameStatistics) -> collections.Counter[str]:
    buckets = feature.string_stats.rank_histogram.buckets
    return collections.Counter({bucket.label: bucket.sample_count for bucket in buckets})


def _one_over_size(feature: statistics_pb2.FeatureNameStatistics) -> float:
    shared = getattr(feature, feature.WhichOneof("stats")).common_stats
    return 1 / max(shared.num_non_missing, 1)


_NOISES = {
    _DISTANCES[anomalies_pb2.DriftSkewInfo.Measurement.L_INFTY]: _infinity_noise,
    _DISTANCES[
        anomalies_pb2.DriftSkewInfo.Measurement.JENSEN_SHANNON_DIVERGENCE
    ]: _divergence_noise,
}


def _by_split(uri: str) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
    return {
        os.path.basename(os.path.dirname(file)).removeprefix("Split-"): tfdv.load_stats_binary(file)
        for file in fileio.glob(f"{uri}/Split-*/*")
    }
