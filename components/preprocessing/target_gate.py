"""TargetGate stops a run most of whose train examples have no target that a model could learn."""

import collections
import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the ops of Transform's graph)
import tensorflow_transform as tft
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts

from components.common.errors import InputError
from components.models.heads.head import Head, build_head
from components.spec.task_json import head_from_json

_AT_ONCE = 256
_SHOWN = 3
_SHOWN_CHARACTERS = 80


@dataclasses.dataclass(frozen=True)
class Unusable:
    """The train examples that cannot be trained on for one reason.

    Attributes:
      reason: why, as a clause.
      count: how many there are.
      total: of how many train examples.
      examples: some of them, as their first text and their label.
    """

    reason: str
    count: int
    total: int
    examples: list[str]


@component
def TargetGate(
    examples: InputArtifact[standard_artifacts.Examples],
    transformed_examples: InputArtifact[standard_artifacts.Examples],
    transform_graph: InputArtifact[standard_artifacts.TransformGraph],
    head: Parameter[str],
    max_unusable_ratio: Parameter[float],
    code: Parameter[str],
    unusable: OutputArtifact[standard_artifacts.String],
):
    """Raises InputError where more train examples than allowed cannot be trained on, or writes how many.

    Args:
      examples: raw.
      transformed_examples, transform_graph: Transform's.
      head: as JSON.
      max_unusable_ratio: of the train split.
      code: hash of this module and the head's, for the cache.
      unusable: JSON list of `Unusable`.
    """
    found = measure(
        f"{examples.uri}/Split-train",
        f"{transformed_examples.uri}/Split-train",
        tft.TFTransformOutput(transform_graph.uri),
        build_head(head_from_json(head)),
    )
    count, total = sum(u.count for u in found), found[0].total if found else 0
    if count > max_unusable_ratio * total:
        lines = [f"{u.count:,} because {u.reason}: {'; '.join(u.examples)}" for u in found]
        raise InputError(
            f"{count:,} of {total:,} train examples cannot be trained on:\n  "
            + "\n  ".join(lines)
            + f"\nThat is more than max_unusable_ratio, {max_unusable_ratio:g}. Mend the answers so "
            "that they begin and end with whole words; where a language writes no blanks between words, "
            "take an encoder whose vocabulary has its words. Or pass --set max_unusable_ratio=1."
        )
    unusable.value = json.dumps([dataclasses.asdict(u) for u in found])


def measure(
    raw_folder: str, transformed_folder: str, transform: tft.TFTransformOutput, head: Head
) -> list[Unusable]:
    """Counts the examples that cannot be trained on, reason by reason, the most frequent first.

    Args:
      raw_folder, transformed_folder: of gzipped TFRecords; their orders differ.
    """
    counts: collections.Counter[str] = collections.Counter()
    total = 0
    for features in _batches(transformed_folder, transform.transformed_feature_spec()):
        reasons = head.unusable(features)
        total += int(tf.size(head.is_trainable(features)))
        counts.update({why: int(tf.math.count_nonzero(where)) for why, where in reasons.items()})
    counts = +counts  # those above 0
    shown = _examples(raw_folder, transform, head, counts) if counts else {}
    return [Unusable(why, count, total, shown[why]) for why, count in counts.most_common()]


def _examples(
    folder: str, transform: tft.TFTransformOutput, head: Head, counts: Mapping[str, int]
) -> dict[str, list[str]]:
    """Finds some examples for each reason: only raw ones have text."""
    found: dict[str, list[str]] = {reason: [] for reason in counts}
    layer = transform.transform_features_layer()
    names = head.config.text_features[0], head.config.label_key
    for raw in _batches(folder, transform.raw_feature_spec()):
        for reason, where in head.unusable(layer(raw)).items():
            for place in tf.where(where)[:, 0].numpy():
                if len(found[reason]) < min(_SHOWN, counts[reason]):
                    found[reason].append(", ".join(_shown(n, raw[n], place) for n in names))
        if all(len(some) == min(_SHOWN, counts[why]) for why, some in found.items()):
            break
    return found


def _shown(name: str, values: Any, place: int) -> str:
    if isinstance(values, tf.SparseTensor):
        values = tf.sparse.to_dense(values, default_value=b"")
    first = values[place].numpy() if values.shape.rank == 1 else values[place, 0].numpy()
    text = first.decode(errors="replace") if isinstance(first, bytes) else str(first)
    return f"{name} {text[:_SHOWN_CHARACTERS]!r}"


def _batches(folder: str, spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    files = sorted(tf.io.gfile.glob(f"{folder}/*"))
    for batch in tf.data.TFRecordDataset(files, "GZIP").batch(_AT_ONCE):
        yield tf.io.parse_example(batch, spec)
