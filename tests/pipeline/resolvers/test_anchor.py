import numpy as np
import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.types import standard_artifacts

from components.evaluation.intervals import Interval
from pipeline.resolvers import anchor
from pipeline.resolvers.anchor import Anchor, moves_anchor
from pipeline.runs.metric_results import Change

BETTER, SAME, WORSE = (Change(v, Interval(v - 0.02, v + 0.02)) for v in (0.04, 0.0, -0.03))
BARELY = Change(0.025, Interval(0.005, 0.045))


def model(identity: int, uri: str = __file__) -> standard_artifacts.Model:
    artifact = standard_artifacts.Model()
    artifact.id, artifact.uri = identity, uri
    return artifact


class Runs:
    """Evaluations in a metadata store, each with what it is said to have found."""

    def __init__(self, monkeypatch):
        config = mlmd.ConnectionConfig()
        config.fake_database.SetInParent()
        self.store = metadata_store.MetadataStore(config)
        self.blessings, self.found = [], {}
        kinds = (mlmd.ArtifactType(name=name) for name in ("ModelBlessing", "ModelEvaluation"))
        self.types = [self.store.put_artifact_type(kind) for kind in kinds]
        self.evaluator = self.store.put_execution_type(mlmd.ExecutionType(name="Evaluator"))
        monkeypatch.setattr(anchor, "changes", lambda uri, metrics: self.found[uri])

    def evaluated(self, candidate: int, against: int, found: list, blessed: int = 1) -> None:
        uri = f"evaluation/{len(self.found)}"
        self.found[uri] = found
        artifacts = [mlmd.Artifact(type_id=kind, uri=uri) for kind in self.types]
        blessing, evaluation = self.store.put_artifacts(artifacts)
        (execution,) = self.store.put_executions([mlmd.Execution(type_id=self.evaluator)])
        for key, identity in (("blessing", blessing), ("evaluation", evaluation)):
            event = mlmd.Event(artifact_id=identity, execution_id=execution, type=mlmd.Event.OUTPUT)
            event.path.steps.add(key=key)
            self.store.put_events([event])
        artifact = standard_artifacts.ModelBlessing()
        artifact.id = blessing
        artifact.set_int_custom_property("current_model_id", candidate)
        artifact.set_int_custom_property("blessed", blessed)
        if against:
            artifact.set_int_custom_property("baseline_model_id", against)
        self.blessings.append(artifact)

    def anchor_of(self, candidate: int, gone: int = 0) -> list[int]:
        resolved = Anchor(["accuracy"]).resolve_artifacts(
            self.store,
            {
                "candidate": [model(candidate)],
                "model": [
                    model(identity, "gone" if identity == gone else __file__)
                    for identity in (5, 1, 9, 3, 7)
                ],
                "model_blessing": self.blessings,
            },
        )
        return [artifact.id for artifact in resolved["model"]]


@pytest.fixture
def runs(monkeypatch) -> Runs:
    return Runs(monkeypatch)


def test_the_first_model_has_none(runs):
    runs.evaluated(1, against=0, found=[])
    assert runs.anchor_of(1) == []


def test_a_model_within_noise_is_pushed_but_does_not_move_the_anchor(runs):
    runs.evaluated(1, against=0, found=[])
    runs.evaluated(3, against=1, found=[SAME])
    runs.evaluated(5, against=1, found=[SAME])
    assert runs.anchor_of(7) == [1]


def test_a_clearly_better_model_is_the_anchor_from_then_on(runs):
    runs.evaluated(1, against=0, found=[])
    runs.evaluated(3, against=1, found=[BETTER, SAME])
    assert runs.anchor_of(5) == [3]
    runs.evaluated(5, against=3, found=[SAME])
    assert runs.anchor_of(7) == [3]


def test_a_refused_model_is_no_anchor(runs):
    runs.evaluated(1, against=0, found=[])
    runs.evaluated(3, against=1, found=[BETTER], blessed=0)
    assert runs.anchor_of(5) == [1]


def test_a_repeated_run_has_the_anchor_it_had_before(runs):
    runs.evaluated(1, against=0, found=[])
    runs.evaluated(3, against=1, found=[BETTER])
    runs.evaluated(5, against=3, found=[BETTER])
    assert runs.anchor_of(5) == [3]


def test_an_older_candidate_is_held_against_what_was_blessed_since(runs):
    """As when its settings come back, or it was refused once by a bound that is lower now."""
    runs.evaluated(1, against=0, found=[], blessed=0)
    runs.evaluated(3, against=0, found=[])
    assert runs.anchor_of(1) == [3]
    runs.evaluated(5, against=3, found=[BETTER])
    assert runs.anchor_of(3) == [5]


def test_a_model_whose_files_are_gone_is_no_anchor(runs):
    runs.evaluated(1, against=0, found=[])
    runs.evaluated(3, against=1, found=[SAME])
    assert runs.anchor_of(5, gone=1) == [3]
    assert runs.anchor_of(5, gone=3) == [1]


@pytest.mark.parametrize(
    ("found", "moves"),
    [([BETTER], True), ([BARELY], False), ([BETTER, WORSE], False), ([SAME], False), ([], False)],
)
def test_what_moves_the_anchor(found, moves):
    assert moves_anchor(found) == moves


def nights(decay: float, count: int, anchored: bool) -> tuple[float, float]:
    """A new model every night, on the 1,725 examples of MRPC's test split, in 200 histories.

    Args:
      decay: by how much each night's models are worse than those of the night before.

    Returns:
      The fraction of models refused, and how far what is served is from the first model at the end.
    """
    generator = np.random.default_rng(0)
    # Of a change, where one example in ten tells two models apart; each model has half of the variance.
    error = np.sqrt(0.1 / 1725)
    refused, served = 0, []
    for _ in range(200):
        luck = generator.normal(0, error / np.sqrt(2), count + 1)
        against, quality = luck[0], 0.0
        for night in range(1, count + 1):
            measured = luck[night] - decay * night
            value = measured - against
            change = Change(value, Interval(value - 1.96 * error, value + 1.96 * error))
            if change.verdict == "worse":
                refused += 1
                continue
            quality = -decay * night
            if not anchored or moves_anchor([change]):
                against = measured
        served.append(quality)
    return refused / (200 * count), float(np.mean(served))


def test_a_slow_decay_is_stopped():
    """A tenth of a point a night for a year; against the last model, most of it goes through."""
    _, unguarded = nights(decay=0.001, count=365, anchored=False)
    _, guarded = nights(decay=0.001, count=365, anchored=True)
    assert unguarded < -0.25
    assert guarded > -0.03


def test_equal_models_are_not_refused_much_more_often_for_the_anchor():
    fraction, _ = nights(decay=0.0, count=100, anchored=True)
    assert fraction < 0.05
