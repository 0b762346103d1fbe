"""Trainer: transformed examples in, a SavedModel that answers raw text out."""

import json
import logging
from typing import Any

import tensorflow as tf
import tensorflow_hub as hub
import tensorflow_transform as tft

from components.common.serialization import from_json
from components.devices.memory import advise, free_bytes
from components.devices.precision import choose, refuse_jit_without_gpu, rewritten_to
from components.devices.strategies import is_chief, strategy_of
from components.models.bert.layers import droppers
from components.models.bert.tokenizer import Vocabulary
from components.models.heads.head import Head, build_head
from components.spec.encoder import Encoder
from components.spec.hyperparameters import Hyperparameters
from components.spec.task_json import head_from_json, hyperparameters_from_json
from components.training.batching import count_untrainable, read_examples, training_sequences
from components.training.checkpoints import Checkpoints, remove_abandoned, training_key
from components.training.coordinator import lead
from components.training.export import Servable, export
from components.training.loop import fit
from components.training.warm_start import start_from

progress = logging.getLogger("progress")

_JOB = (
    *("custom_config", "train_files", "transform_graph_path"),
    *("model_run_dir", "serving_model_dir"),
)


def run_fn(fn_args) -> None:
    """Fine-tunes the encoder with the task's head and exports it; TFX calls it.

    Args:
      fn_args: TFX's FnArgs; its custom_config holds `head`, `encoder` and `hyperparameters`, as JSON,
        the hash of the `code`, the folder for `checkpoints` ("" for none), and `warm_start` ("" or what
        `pipeline.local_config.pushed_model` returns).
    """
    job = {name: getattr(fn_args, name) for name in _JOB}
    config = fn_args.custom_config
    head = head_from_json(config["head"])
    setting = hyperparameters_from_json(head, config["hyperparameters"]).strategy
    if setting == "workers":
        lead(job)
    else:
        train(job, strategy_of(setting))


def train(job: dict[str, Any], strategy: tf.distribute.Strategy) -> None:
    """Trains under a strategy; the chief exports the model.

    Args:
      job: the fields of TFX's FnArgs that `_JOB` names.
    """
    config = job["custom_config"]
    head_config = head_from_json(config["head"])
    head = build_head(head_config)
    encoder = from_json(Encoder, config["encoder"])
    hyperparameters = hyperparameters_from_json(head_config, config["hyperparameters"])
    if hyperparameters.jit_compile:
        refuse_jit_without_gpu()
    vocabulary = Vocabulary(encoder.vocab_file, encoder.lower_case)
    transform = tft.TFTransformOutput(job["transform_graph_path"])

    tf.keras.utils.set_random_seed(hyperparameters.seed)
    files = tf.io.gfile.glob(job["train_files"])
    examples = read_examples(files, transform.transformed_feature_spec())
    if left_out := count_untrainable(examples, head):
        progress.info("%d examples left out, which cannot be trained on", left_out)
    sequences = training_sequences(examples, head, vocabulary, hyperparameters)
    held_out = None
    if hyperparameters.validation_fraction:
        held_out = training_sequences(examples, head, vocabulary, hyperparameters, held_out=True)
    with strategy.scope():
        model = build_model(head, encoder, hyperparameters)
    if config["warm_start"]:
        start_from(model, json.loads(config["warm_start"])["version"])
    advise(model, hyperparameters, free_bytes())
    precision = choose(hyperparameters.precision)
    progress.info("training in %s", precision)
    checkpoints = _checkpoints(config, files, is_chief(strategy))
    log_dir = job["model_run_dir"] if is_chief(strategy) else ""
    with rewritten_to(precision, hyperparameters.jit_compile):
        fit(model, head, sequences, hyperparameters, log_dir, precision, checkpoints, held_out)
    if not is_chief(strategy):
        return
    if strategy.num_replicas_in_sync > 1:  # The exported model runs on one device.
        trained, model = model, build_model(head, encoder, hyperparameters)
        model.set_weights(trained.get_weights())
    servable = Servable(
        model,
        transform.transform_features_layer(),
        head,
        vocabulary,
        hyperparameters,
        transform.raw_feature_spec(),
    )
    export(servable, job["serving_model_dir"])
    if checkpoints:
        checkpoints.remove()
        remove_abandoned(config["checkpoints"])


def _checkpoints(config: dict[str, str], files: list[str], writes: bool) -> Checkpoints | None:
    """Finds the checkpoints of earlier attempts at this training; TFX's folders are new for each."""
    if not config["checkpoints"]:
        return None
    settings = [text for name, text in sorted(config.items()) if name != "checkpoints"]
    folder = f"{config['checkpoints']}/{training_key(settings, files)}"
    return Checkpoints(folder, writes=writes)


def build_model(head: Head, encoder: Encoder, hyperparameters: Hyperparameters) -> tf.keras.Model:
    """Builds the model: the encoder's three inputs [batch, tokens] -> the head's logits."""
    layer = hub.KerasLayer(encoder.path, trainable=True, name="encoder")
    inputs = {
        name: tf.keras.Input([None], dtype=tf.int32, name=name)
        for name in ("input_word_ids", "input_mask", "input_type_ids")
    }
    model = tf.keras.Model(inputs, head.network(inputs, layer(inputs), hyperparameters.dropout))
    for place, dropper in enumerate(droppers(model)):  # each needs its own sequence of masks
        dropper.dropout_seed.assign(hyperparameters.seed + (place << 32))
    return model
