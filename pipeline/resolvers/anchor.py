"""The resolver of the baseline, the model that the candidate is compared with."""

from collections.abc import Mapping

from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.dsl.io import fileio

from pipeline.runs.metadata import given_with
from pipeline.runs.metric_results import Change, changes

# How many half-widths of its interval a change must lie above 0 to move the anchor; at 95 %, three
# standard errors. Of 100 equal models, one after the other, a metric then refuses 4. With 1.0 the
# anchor would move to the luckiest of them, and 11 would be refused.
CLEARLY = 1.5


class Anchor(ResolverStrategy):
    """Finds the anchor: the last blessed model that was clearly better than its own baseline.

    While there is none, the anchor is the first blessed model. Only models whose files still exist
    count. If each candidate were compared with the last blessed model, models could lose a little every
    night, each time within noise. The anchor stays, so the losses add up until a model is refused.

    The candidate's own blessing is ignored. When a run is repeated, TFX's LatestBlessedModelStrategy
    would return the candidate, and the Evaluator would run again and compare a model with itself.
    """

    def __init__(self, metrics: Mapping[str, bool]):
        """Takes the metrics with a threshold.

        Args:
          metrics: name -> whether higher is better.
        """
        self._metrics = metrics

    def resolve_artifacts(self, store, input_dict):
        """Returns the candidate, and the anchor as the model; no model while there is no anchor.

        Args:
          input_dict: candidate (one model), model (all), model_blessing (all).
        """
        (candidate,) = input_dict["candidate"]
        models = {model.id: model for model in input_dict["model"] if is_there(model)}
        others = [
            blessing
            for blessing in input_dict["model_blessing"]
            if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY) == 1
            and _model_of(blessing) != candidate.id
            and _model_of(blessing) in models
        ]
        anchor = []
        if others:
            blessing = max(others, key=lambda blessing: blessing.id)
            # By induction, the newest one's baseline was the anchor then.
            before = blessing.get_int_custom_property(
                constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY
            )
            stays = before in models and not moves_anchor(self._changes(store, blessing))
            anchor = [models[before if stays else _model_of(blessing)]]
        return {"candidate": [candidate], "model": anchor, "model_blessing": []}

    def _changes(self, store, blessing) -> list[Change]:
        """Reads the changes that the Evaluator measured when it gave this blessing."""
        return changes(given_with(store, blessing.id, "evaluation").uri, self._metrics)


def moves_anchor(found: list[Change]) -> bool:
    """Whether a model is clearly better than its baseline in one metric and worse in none."""
    clearly = [_gain(c) > CLEARLY * abs(c.value - c.interval.lower) for c in found]
    return any(clearly) and not any(change.verdict == "worse" for change in found)


def _gain(change: Change) -> float:
    return change.value if change.higher_is_better else -change.value


def is_there(artifact) -> bool:
    """Whether the artifact's files exist: a folder of results may have been moved, or cleared."""
    return fileio.exists(artifact.uri)


def _model_of(blessing) -> int:
    return blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY)
