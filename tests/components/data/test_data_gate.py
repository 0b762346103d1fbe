import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.types import standard_artifacts

from components.common.errors import InputError
from components.data.data_gate import DataGate, describe


def write(folder, split: str, **found: str) -> None:
    anomalies = anomalies_pb2.Anomalies()
    for feature, description in found.items():
        anomalies.anomaly_info[feature].description = description
    (folder / f"Split-{split}").mkdir()
    (folder / f"Split-{split}" / "SchemaDiff.pb").write_bytes(anomalies.SerializeToString())


def run_gate(folder) -> str:
    """DataGate as TFX runs it; what it wrote."""
    anomalies = standard_artifacts.ExampleAnomalies()
    anomalies.uri, anomalies.split_names = str(folder), '["train", "eval"]'
    passed = standard_artifacts.String()
    passed.uri = str(folder / "passed")
    executor = DataGate.EXECUTOR_SPEC.executor_class()
    executor.Do({"anomalies": [anomalies]}, {"passed": [passed]}, {"code": ""})
    return (folder / "passed").read_text()


def test_the_gate_raises_with_every_anomaly_of_every_split(tmp_path):
    write(tmp_path, "train", label="is 7", idx="is missing")
    write(tmp_path, "eval", sentence1="is a number")
    with pytest.raises(InputError, match=r"(?s)train: idx.*train: label.*eval: sentence1"):
        run_gate(tmp_path)


def test_the_gate_lets_clean_splits_through(tmp_path):
    write(tmp_path, "train")
    write(tmp_path, "eval")
    assert run_gate(tmp_path) == "train,eval"


def test_anomalies_are_named_by_split_and_feature(tmp_path):
    anomalies = anomalies_pb2.Anomalies()
    anomalies.anomaly_info["label"].short_description = "Out-of-range values"
    anomalies.anomaly_info["label"].description = "Unexpectedly high value: 7."
    (tmp_path / "Split-eval").mkdir()
    (tmp_path / "Split-eval" / "SchemaDiff.pb").write_bytes(anomalies.SerializeToString())
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train" / "SchemaDiff.pb").write_bytes(b"")
    assert describe(str(tmp_path), "eval") == [
        "eval: label: Out-of-range values: Unexpectedly high value: 7."
    ]
    assert describe(str(tmp_path), "train") == []
