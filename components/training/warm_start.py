"""Warm start: training begins with the weights of a pushed model instead of the encoder's own."""

import logging

import tensorflow as tf

from components.common.errors import InputError

progress = logging.getLogger("progress")


def start_from(model: tf.keras.Model, version: str) -> None:
    """Gives the model the trained weights of a version, those of the head included.

    Args:
      model: see `components.training.trainer.build_model`.
      version: folder of a SavedModel that `components.training.export` wrote, with the weights in Keras'
        order.

    Raises:
      InputError: the weights do not fit this model, which stays as it was.
    """
    trained = {id(variable) for variable in model.trainable_variables}
    try:
        saved = tf.train.load_checkpoint(f"{version}/variables/variables")
        weights = [
            (variable, saved.get_tensor(f"weights/{place}/.ATTRIBUTES/VARIABLE_VALUE"))
            for place, variable in enumerate(model.weights)
            if id(variable) in trained
        ]
    except (ValueError, tf.errors.OpError) as error:
        raise _does_not_fit(version, str(error).partition("\n")[0]) from error
    for variable, value in weights:
        if variable.shape != value.shape:
            shapes = f"{variable.name} is {tuple(variable.shape)} here and {value.shape} there"
            raise _does_not_fit(version, shapes)
    for variable, value in weights:
        variable.assign(value)
    progress.warning("training starts from the weights of %s", version)


def _does_not_fit(version: str, reason: str) -> InputError:
    return InputError(
        f"--warm-start: the weights of {version} do not fit this model: {reason}. Leave --warm-start "
        "out, or pass the encoder that the version was made with."
    )
