"""Reads what the Evaluator measured from TFMA's own files."""

import tensorflow_model_analysis as tfma

from components.evaluation.paired import JUDGED

# (name of a feature, its value) of each feature that a slice is of; () is the whole split.
SliceKey = tuple[tuple[str, str], ...]


def metrics_by_slice(evaluation: str, model: str) -> dict[SliceKey, dict[str, float]]:
    """Reads metric name -> value for each slice; nothing where the evaluation had no such model.

    The name of a change against the baseline ends in `_diff`, as in TFMA's own views. The values that
    the bounds of slices judge, which may be infinite, are left out.

    TFMA's own `load_eval_result` reads the plots as well, which takes seconds.

    Args:
      evaluation: folder of the Evaluator's results.
      model: "candidate" or "baseline".
    """
    found = {}
    for of_slice in tfma.load_metrics(evaluation):
        values = {
            item.key.name + ("_diff" if item.key.is_diff else ""): item.value.double_value.value
            for item in of_slice.metric_keys_and_values
            if _is_of(item.key, model)
            and item.value.HasField("double_value")
            and not item.key.name.endswith(JUDGED)
        }
        if values:
            found[_key(of_slice.slice_key)] = values
    return found


def refusals(evaluation: str) -> dict[tuple[SliceKey, str], str]:
    """Reads what the gate refused: slice and metric -> TFMA's message, "" where the value says why."""
    result = tfma.load_validation_result(evaluation)
    return {
        (_key(of_slice.slice_key), failure.metric_key.name): failure.message
        for of_slice in result.metric_validations_per_slice
        for failure in of_slice.failures
    }


def overall_plots(evaluation: str, model: str) -> list:
    """Reads TFMA's PlotData over the whole split, for one model; see `metrics_by_slice`."""
    return [
        item.value
        for of_slice in tfma.load_plots(evaluation)
        if not of_slice.slice_key.single_slice_keys
        for item in of_slice.plot_keys_and_values
        if _is_of(item.key, model)
    ]


def _is_of(key, model: str) -> bool:
    """Whether a key is of the model; TFMA names the models only where there are two."""
    return key.model_name == model or (model == "candidate" and not key.model_name)


def _key(slice_key) -> SliceKey:
    return tuple(
        (single.column, _text(getattr(single, single.WhichOneof("kind"))))
        for single in slice_key.single_slice_keys
    )


def _text(value: bytes | int | float) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
