"""The model that the candidate is held against."""

from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import ResolverStrategy


class LastBlessedBefore(ResolverStrategy):
    """The newest blessed model that is older than the candidate.

    TFX's LatestBlessedModelStrategy would name the candidate itself when a run is repeated: the
    Evaluator would run again, and compare a model with itself.
    """

    def resolve_artifacts(self, store, input_dict):
        """input_dict: candidate (one model), model (all), model_blessing (all)."""
        (candidate,) = input_dict["candidate"]
        blessed = {
            blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY)
            for blessing in input_dict["model_blessing"]
            if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY) == 1
        }
        older = [m for m in input_dict["model"] if m.id in blessed and m.id < candidate.id]
        newest = sorted(older, key=lambda model: model.id)[-1:]
        return {"candidate": [candidate], "model": newest, "model_blessing": []}
