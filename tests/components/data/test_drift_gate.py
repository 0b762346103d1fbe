"""Statistics of random examples, compared by the thresholds that the task's schema has."""

import json
import pathlib
import re

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import artifact_utils, standard_artifacts

from components.common.errors import InputError
from components.data.drift_gate import DriftGate, comparators, compare

SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "schema" / "mrpc.pbtxt"
LAST = "the last blessed data"
TEXTS = ("sentence1", "sentence2")
ROWS = {"train": 2000, "eval": 400}
COMPARED = comparators(text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema()), TEXTS)


def rows(
    split: str | int, seed: int, longer=1.0, positive=0.67, unknown=0.0, topic=0.0
) -> pd.DataFrame:
    """What Transform makes of sentence pairs; the second sentence and the label can be unlike.

    Args:
      split: or how many rows.
      longer: factor on the lengths.
      positive: share of the rows with label 1.
      unknown, topic: shares of the pieces that are [UNK], or one certain word.
    """
    generator = np.random.default_rng(seed)
    count = ROWS.get(split, split)
    columns: dict[str, list] = {"label": generator.binomial(1, positive, count).tolist()}
    for name in ("sentence1", "sentence2"):
        is_shifted = name == "sentence2"
        lengths = generator.normal(22, 6, count).clip(5) * (longer if is_shifted else 1)
        ids = [1000 + generator.zipf(1.3, int(n)).clip(max=9000) for n in lengths]
        if is_shifted:
            ids = [np.where(generator.random(len(row)) < topic, 5000, row) for row in ids]
            ids = [np.where(generator.random(len(row)) < unknown, 100, row) for row in ids]
        columns[f"{name}_ids$ragged_values"] = [row.tolist() for row in ids]
        columns[f"{name}_n_tokens"] = [len(row) for row in ids]
        columns[f"{name}_n_unknown_tokens"] = [int((row == 100).sum()) for row in ids]
    return pd.DataFrame(columns)


def statistics(
    folder: pathlib.Path, **splits: pd.DataFrame
) -> standard_artifacts.ExampleStatistics:
    """As StatisticsGen leaves them."""
    for split, frame in splits.items():
        found = tfdv.generate_statistics_from_dataframe(frame, tfdv.StatsOptions(schema=COMPARED))
        (folder / f"Split-{split}").mkdir(parents=True)
        (folder / f"Split-{split}" / "FeatureStats.pb").write_bytes(found.SerializeToString())
    artifact = standard_artifacts.ExampleStatistics()
    artifact.uri = str(folder)
    artifact.split_names = artifact_utils.encode_split_names(list(splits))
    return artifact


@pytest.fixture(scope="module")
def last(tmp_path_factory) -> standard_artifacts.ExampleStatistics:
    folder = tmp_path_factory.mktemp("last")
    return statistics(folder, train=rows("train", 0), eval=rows("eval", 1))


def gate(folder: pathlib.Path, now, previous, drift: str = "refuse") -> dict[tuple, float]:
    """DriftGate as TFX runs it; split, feature, compared with -> distance."""
    schema, distances = standard_artifacts.Schema(), standard_artifacts.String()
    (folder / "schema").mkdir()
    (folder / "schema" / "schema.pbtxt").write_text(SCHEMA.read_text())
    schema.uri, distances.uri = str(folder / "schema"), str(folder / "distances")
    inputs = {"statistics": [now], "schema": [schema]}
    if previous:
        inputs["previous"] = [previous]
    executor = DriftGate.EXECUTOR_SPEC.executor_class()
    executor.Do(
        inputs,
        {"distances": [distances]},
        {"drift": drift, "text_features": json.dumps(TEXTS), "code": ""},
    )
    found = json.loads((folder / "distances").read_text())
    return {(d["split"], d["feature"], d["against"]): d["value"] for d in found}


def test_other_examples_of_the_same_kind_pass(tmp_path, last):
    now = statistics(tmp_path / "now", train=rows("train", 2), eval=rows("eval", 3))
    distances = gate(tmp_path, now, last)
    features = {"label"} | {
        f"sentence{n}_{kind}"
        for n in (1, 2)
        for kind in ("n_tokens", "n_unknown_tokens", "ids$ragged_values")
    }
    compared = {("train", LAST), ("eval", LAST), ("eval", "train")}
    assert set(distances) == {(s, f, against) for f in features for s, against in compared}


def test_the_first_data_is_compared_in_its_splits_only(tmp_path, last):
    assert {against for _, _, against in gate(tmp_path, last, None)} == {"train"}


@pytest.mark.parametrize(
    ("shift", "refused"),
    [
        (
            {"longer": 1.5},
            r"sentence2_n_tokens\b.*Jensen-Shannon.* 0\.\d{4}\b.* 0\.1$",
        ),
        ({"positive": 0.5}, r"label\b.*L-infinity.* 0\.1\d{3}\b.* 0\.1\d*$"),
        (
            {"unknown": 0.01},
            r"sentence2_n_unknown_tokens\b.*L-infinity.* 0\.\d{4}\b.* 0\.0\d+$",
        ),
        (
            {"topic": 0.1},
            r"sentence2_ids\$ragged_values\b.*L-infinity.* 0\.\d{4}\b.* 0\.0\d+$",
        ),
    ],
)
def test_what_has_shifted_is_refused_by_name(tmp_path, last, shift, refused):
    now = statistics(
        tmp_path / "now", train=rows("train", 2, **shift), eval=rows("eval", 3, **shift)
    )
    with pytest.raises(InputError) as error:
        gate(tmp_path, now, last)
    _, *lines, remedy = str(error.value).splitlines()
    for split, line in zip(("train", "eval"), sorted(lines, reverse=True), strict=True):
        assert re.search(rf"\b{split}: {refused}", line) and LAST in line, line
    assert "--set drift=accept" in remedy and not (tmp_path / "distances").exists()


def test_a_shift_that_is_accepted_passes_and_is_written_down(tmp_path, last):
    now = statistics(tmp_path / "now", train=rows("train", 2, longer=1.5), eval=rows("eval", 3))
    distances = gate(tmp_path, now, last, drift="accept")
    assert distances["train", "sentence2_n_tokens", LAST] > 0.1


def test_a_split_unlike_train_is_refused(tmp_path):
    now = statistics(tmp_path / "now", train=rows("train", 2), eval=rows("eval", 3, positive=0.3))
    with pytest.raises(InputError, match=r"\beval: label\b.*L-infinity.* 0\.\d{4}\b.* train\b"):
        gate(tmp_path, now, None)


def halted(sizes: tuple[int, int], draw: int, **shift) -> list[str]:
    """What is refused of a train and an eval split of these sizes, of which eval has shifted."""
    frames = rows(sizes[0], 2 * draw), rows(sizes[1], 2 * draw + 1, **shift)
    train, evaluated, before = (
        tfdv.generate_statistics_from_dataframe(frame, tfdv.StatsOptions(schema=COMPARED))
        for frame in (*frames, rows(sizes[1], 10_000 + draw))
    )
    found = compare({"train": train, "eval": evaluated}, {"eval": before}, COMPARED)
    return [f"{d.feature} {d.value:.3f} {d.bound:.3f}" for d in found if d.is_above]


@pytest.mark.full
@pytest.mark.parametrize(
    ("sizes", "draws"),
    [
        *[((20, 20), 200), ((40, 20), 200), ((100, 30), 200), ((400, 400), 50), ((4000, 400), 20)],
        ((100_000, 10_000), 1),
    ],
)
def test_the_same_kind_of_data_is_refused_in_one_of_a_hundred_runs_at_most(sizes, draws):
    """If that is so, 200 draws show more than 5 alarms once in 60 times, and so it is refuted by 6."""
    alarms = [found for draw in range(draws) if (found := halted(sizes, draw))]
    assert len(alarms) <= draws // 40, alarms


@pytest.mark.full
@pytest.mark.parametrize(
    ("shift", "sizes"),
    [
        ({"positive": 0.35}, (2000, 400)),
        ({"longer": 1.5}, (2000, 400)),
        ({"unknown": 0.02}, (2000, 400)),
        ({"topic": 0.2}, (2000, 400)),
        ({"longer": 3.0}, (400, 100)),
        ({"unknown": 0.5}, (100, 30)),
    ],
)
def test_a_shift_is_refused_95_times_in_a_hundred(shift, sizes):
    assert sum(bool(halted(sizes, draw, **shift)) for draw in range(40)) >= 38
