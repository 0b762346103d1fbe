"""A pushed model judged on labelled examples, by the metrics of its task and their intervals."""

import math

from components.common.errors import InputError
from components.common.progress import Counter
from components.common.stderr_filter import quiet_stderr
from components.data.readers.reader import reader_of
from components.evaluation import estimators
from components.serving import versions
from components.serving.client import PushedModel
from components.spec.registry import load_task

_BATCH_SIZE = 32


def score(version: str, file: str, counter: Counter) -> dict:
    """Scores a version on a labelled file, with the gate's metrics.

    Args:
      file: as `prepare` takes it.
      counter: counts the examples as they are answered.

    Returns:
      {"examples": how many, metric: {"value", "lower", "upper"}}; None where so few examples do not
      determine the value or the bound.
    """
    task = load_task(_task_name(version))
    try:
        examples = [example for _, example in reader_of(task.data).read_file(file, task.head)]
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    judged = {m.name: (m, estimators.of_path(m.estimator)) for m in task.metrics if m.estimator}
    sums = {name: estimator.empty() for name, (_, estimator) in judged.items()}
    with quiet_stderr():
        model = PushedModel(version)
    for start in range(0, len(examples), _BATCH_SIZE):
        some = examples[start : start + _BATCH_SIZE]
        texts = [{name: example[name] for name in model.names} for example in some]
        predictions = model.outputs(texts)[task.head.prediction_key]
        for index, example in enumerate(some):
            label = estimators.as_label(example[task.head.label_key])
            for name, (metric, estimator) in judged.items():
                said = predictions[index : index + 1]
                sums[name] += estimator.outcome(label, said, None, metric.class_id)
        counter.add(len(some))
    scores = {}
    for name, (_, estimator) in judged.items():
        interval = estimator.interval(sums[name], task.confidence)
        found = {"value": estimator.value(sums[name]), **interval._asdict()}
        scores[name] = {key: None if math.isnan(v) else v for key, v in found.items()}
    return {"examples": len(examples), **scores}


def _task_name(version: str) -> str:
    card = versions.read(f"{version}/{versions.CARD}")
    if not card:
        raise InputError(f"{version}/{versions.CARD} is missing: it names the task of the model.")
    return card["task"]
