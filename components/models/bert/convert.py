"""Converts a Hugging Face BERT checkpoint to a SavedModel with TF Hub's interface, without PyTorch."""

import dataclasses
import os
import re
import shutil
import sys
import tempfile

import numpy as np

from components.common.errors import InputError
from components.common.progress import Counter
from components.models.bert import checkpoints, network
from components.models.bert.checkpoint_tokenizer import read_tokenizer

# Our name -> Hugging Face's, for what a layer holds. Three matrices become one, side by side.
_LAYER_PARTS = {
    "self_attention/query_key_value": (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
    ),
    "self_attention/attention_output": ("attention.output.dense",),
    "self_attention_layer_norm": ("attention.output.LayerNorm",),
    "intermediate": ("intermediate.dense",),
    "output": ("output.dense",),
    "output_layer_norm": ("output.LayerNorm",),
}
_OTHER_PARTS = {
    "word_embeddings": ("embeddings.word_embeddings",),
    "position_embedding": ("embeddings.position_embeddings",),
    "type_embeddings": ("embeddings.token_type_embeddings",),
    "embeddings/layer_norm": ("embeddings.LayerNorm",),
    "pooler_transform": ("pooler.dense",),
}
# The last part of a name. The first checkpoints, bert-base-uncased among them, say gamma and beta.
_LEAVES = {
    "kernel": ("weight",),
    "bias": ("bias",),
    "embeddings": ("weight",),
    "gamma": ("weight", "gamma"),
    "beta": ("bias", "beta"),
}


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What a conversion wrote.

    Attributes:
      path: of the SavedModel.
      config: of its network.
      lower_case: whether the tokenizer must lower-case text.
      notes: what the user should know, one sentence each.
    """

    path: str
    config: network.EncoderConfig
    lower_case: bool
    notes: tuple[str, ...]


def convert(checkpoint_dir: str, output_dir: str) -> Conversion:
    """Writes the BERT in `checkpoint_dir` as a SavedModel in `output_dir`, whole or not at all.

    Args:
      checkpoint_dir: holds config.json, model.safetensors (or its shards and their index) and
        vocab.txt or tokenizer.json, as `save_pretrained` leaves them.
      output_dir: must not exist, or be empty.

    Raises:
      InputError: the checkpoint is not a BERT that can be converted; the message says why.
    """
    if not os.path.isdir(checkpoint_dir):
        raise InputError(f"{checkpoint_dir}: no such folder. Pass the folder that has config.json.")
    if os.path.exists(output_dir) and (not os.path.isdir(output_dir) or os.listdir(output_dir)):
        raise InputError(f"{output_dir} exists already. Remove it or name another output folder.")
    config = checkpoints.read_config(checkpoint_dir)
    vocabulary, lower_case, notes = read_tokenizer(checkpoint_dir, config.vocab_size)
    with checkpoints.Checkpoint(checkpoint_dir) as checkpoint:
        values, more_notes = read_weights(checkpoint, config)
    parent = os.path.dirname(os.path.abspath(output_dir))
    os.makedirs(parent, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix=".convert-", dir=parent)
    try:
        saved = os.path.join(scratch, "model")
        network.save(config, values, vocabulary, lower_case, saved)
        os.rename(saved, output_dir)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Conversion(output_dir, config, lower_case, (*notes, *more_notes))


def read_weights(
    checkpoint: checkpoints.Checkpoint, config: network.EncoderConfig
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Reads every weight, by our name, and returns notes too; draws a missing pooler afresh.

    Raises:
      InputError: the checkpoint does not hold what its config.json says.
    """
    if (found := checkpoint.num_layers()) != config.num_layers:
        raise InputError(
            f"{checkpoint.path} has {found} layers, config.json says {config.num_layers}."
        )
    values, notes = {}, []
    has_pooler = checkpoint.has("pooler.dense.weight")
    if not has_pooler:
        notes.append("The checkpoint has no pooler: drawn afresh, to be trained.")
    shapes = network.variable_shapes(config)
    with Counter("Reading", "weights", len(shapes)) as counter:
        for name, shape in shapes.items():
            if name.startswith("pooler_transform/") and not has_pooler:
                values[name] = network.initial_value(name, shape, np.random.default_rng(0))
            else:
                values[name] = _read_weight(checkpoint, name, shape)
            counter.add()
    return values, notes


def _read_weight(
    checkpoint: checkpoints.Checkpoint, name: str, shape: tuple[int, ...]
) -> np.ndarray:
    """Reads one weight by our name; transposes a kernel, as PyTorch keeps [outputs, inputs]."""
    modules, leaf = _modules(name)
    part_shape = (*shape[:-1], shape[-1] // len(modules))
    if leaf == "kernel":
        part_shape = part_shape[::-1]
    tensors = [
        checkpoint.read([f"{m}.{name}" for name in _LEAVES[leaf]], part_shape) for m in modules
    ]
    return np.concatenate([t.T if leaf == "kernel" else t for t in tensors], axis=-1)


def to_huggingface(name: str, value: np.ndarray) -> dict[str, np.ndarray]:
    """Turns one of our weights back into Hugging Face's, by their names."""
    modules, leaf = _modules(name)
    parts = np.split(value, len(modules), axis=-1)
    return {
        f"{module}.{_LEAVES[leaf][0]}": part.T if leaf == "kernel" else part
        for module, part in zip(modules, parts)
    }


def _modules(name: str) -> tuple[list[str], str]:
    """Returns Hugging Face's modules that our weight stands for, and the last part of our name."""
    part, leaf = name.rsplit("/", 1)
    if match := re.fullmatch(r"transformer/layer_(\d+)/(.*)", part):
        return [f"encoder.layer.{match[1]}.{module}" for module in _LAYER_PARTS[match[2]]], leaf
    return list(_OTHER_PARTS[part]), leaf


if __name__ == "__main__":  # presets.py starts it, in a process of its own
    try:
        convert(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"Error: {error}")
