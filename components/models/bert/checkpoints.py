"""Reads what `save_pretrained` wrote: config.json and the tensors of a BERT."""

import contextlib
import json
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import safetensors

from components.common.errors import InputError
from components.models.bert import network


def read_config(checkpoint_dir: str) -> network.EncoderConfig:
    """Reads config.json: the network that it describes.

    Raises:
      InputError: it is none that `network.Bert` computes, or the file is missing or incomplete.
    """
    path = os.path.join(checkpoint_dir, "config.json")
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file. Pass the folder that `save_pretrained` wrote.")
    fields = _read_json(path)
    if fields.get("model_type") != "bert":
        raise InputError(
            f"{path}: model_type is {fields.get('model_type')!r}; only 'bert' can be converted. Take a "
            'BERT, or, where it is one of the time before model_type, add "model_type": "bert".'
        )
    for name, supported in (("position_embedding_type", "absolute"), ("is_decoder", False)):
        if fields.get(name, supported) != supported:
            raise InputError(f"{path}: {name} must be {supported!r}, is {fields[name]!r}.")
    activation = fields.get("hidden_act", "gelu")
    if activation not in network.ACTIVATIONS:
        known = ", ".join(network.ACTIVATIONS)
        raise InputError(f"{path}: hidden_act {activation!r} is none of {known}.")
    try:
        config = network.EncoderConfig(
            vocab_size=fields["vocab_size"],
            hidden_size=fields["hidden_size"],
            num_layers=fields["num_hidden_layers"],
            num_heads=fields["num_attention_heads"],
            intermediate_size=fields["intermediate_size"],
            max_positions=fields["max_position_embeddings"],
            type_vocab_size=fields["type_vocab_size"],
            layer_norm_epsilon=fields.get("layer_norm_eps", 1e-12),
            dropout=fields.get("hidden_dropout_prob", 0.1),
            attention_dropout=fields.get("attention_probs_dropout_prob", 0.1),
            hidden_act=activation,
        )
    except KeyError as error:
        raise InputError(f"{path}: {error.args[0]!r} is missing.") from None
    if config.hidden_size % config.num_heads:
        raise InputError(
            f"{path}: hidden_size {config.hidden_size} is no multiple of the {config.num_heads} heads."
        )
    return config


class Checkpoint:
    """The tensors of model.safetensors, or of the shards that its index names, read one by one."""

    def __init__(self, checkpoint_dir: str):
        self.path = os.path.join(checkpoint_dir, "model.safetensors")
        index = f"{self.path}.index.json"
        if os.path.exists(self.path):
            names = [os.path.basename(self.path)]
        elif os.path.exists(index):
            self.path = index
            names = sorted({os.path.basename(n) for n in _read_json(index)["weight_map"].values()})
        elif os.path.exists(os.path.join(checkpoint_dir, "pytorch_model.bin")):
            raise InputError(
                f"{checkpoint_dir} has only pytorch_model.bin, which cannot be read without PyTorch. "
                "Save it again where PyTorch is: "
                "BertModel.from_pretrained(DIR).save_pretrained(DIR, safe_serialization=True)"
            )
        else:
            raise InputError(f"{self.path}: no such file.")
        self._files = contextlib.ExitStack()
        self._holders = {}  # Tensor name -> open file.
        for name in names:
            file = self._open(os.path.join(checkpoint_dir, name))
            self._holders.update(dict.fromkeys(file.keys(), file))
        prefixed = any(name.startswith("bert.") for name in self._holders)
        self._prefix = "bert." if prefixed else ""

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, *exception) -> None:
        self._files.close()

    def _open(self, path: str) -> safetensors.safe_open:
        try:
            return self._files.enter_context(safetensors.safe_open(path, framework="numpy"))
        except (OSError, safetensors.SafetensorError) as error:
            raise InputError(f"{path} cannot be read: {error}. Download it again.") from None

    def num_layers(self) -> int:
        """Counts the layers that have tensors."""
        pattern = re.compile(re.escape(self._prefix) + r"encoder\.layer\.(\d+)\.")
        return 1 + max((int(m[1]) for n in self._holders if (m := pattern.match(n))), default=-1)

    def has(self, name: str) -> bool:
        """Whether there is a tensor of that name."""
        return self._prefix + name in self._holders

    def read(self, names: Sequence[str], shape: tuple[int, ...]) -> np.ndarray:
        """Reads the tensor with the first of these names that exists, as float32 of this shape.

        Raises:
          InputError: there is none, its shape is another, or a value is not finite.
        """
        name = next((name for name in names if self.has(name)), None)
        if name is None:
            raise InputError(f"{self.path}: the tensor {self._prefix}{names[0]} is missing.")
        tensor = self._holders[self._prefix + name].get_tensor(self._prefix + name)
        if tensor.shape != shape:
            raise InputError(
                f"{self.path}: {self._prefix}{name} has the shape {list(tensor.shape)}, "
                f"config.json asks for {list(shape)}."
            )
        if not np.isfinite(tensor).all():
            raise InputError(
                f"{self.path}: {self._prefix}{name} holds NaN or infinity, so that no training could "
                "start from it. Download it again, or take another checkpoint."
            )
        return tensor.astype(np.float32)


def _read_json(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from None
