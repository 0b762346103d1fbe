from tfx.types import standard_artifacts

from pipeline.baseline import LastBlessedBefore


def model(identity: int) -> standard_artifacts.Model:
    artifact = standard_artifacts.Model()
    artifact.id = identity
    return artifact


def blessing(of_model: int, blessed: int) -> standard_artifacts.ModelBlessing:
    artifact = standard_artifacts.ModelBlessing()
    artifact.set_int_custom_property("current_model_id", of_model)
    artifact.set_int_custom_property("blessed", blessed)
    return artifact


def resolve(candidate: int, blessings: dict[int, int]) -> list[int]:
    resolved = LastBlessedBefore().resolve_artifacts(
        None,
        {
            "candidate": [model(candidate)],
            "model": [model(identity) for identity in (5, 1, 3)],
            "model_blessing": [blessing(*item) for item in blessings.items()],
        },
    )
    return [artifact.id for artifact in resolved["model"]]


def test_the_newest_blessed_model_before_the_candidate():
    assert resolve(5, {1: 1, 3: 1}) == [3]


def test_a_refused_model_is_no_baseline():
    assert resolve(5, {1: 1, 3: 0}) == [1]


def test_a_repeated_run_has_the_baseline_it_had_before():
    assert resolve(3, {1: 1, 3: 1, 5: 1}) == [1]


def test_the_first_model_has_none():
    assert resolve(1, {1: 1}) == []
