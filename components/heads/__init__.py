"""What turns an encoder's output into a task's answer: one module a kind of answer.

A head is a frozen dataclass with these attributes and methods, and a task picks one:

    text_features              names of the raw text features, in the order the model takes them
    label_key, prediction_key  what the Evaluator compares: a raw feature, an output of the signatures
    targets(features)          raw -> the target features that Transform stores beside the word pieces
    pack(features, vocabulary, max_length)
                               stored -> ragged rows for the encoder
    row_targets(features)      stored -> the dense targets of those rows
    logits(inputs, outputs, dropout)
                               the encoder's inputs and outputs -> logits, through Keras layers
    loss(targets, logits)      a scalar, the mean over the batch
    answer(apply, features, raw, vocabulary, max_length)
                               -> the outputs of the signatures; apply(rows) gives the rows' logits
"""

import dataclasses
import importlib
import json


def dump_head(head) -> str:
    """A head as JSON: its module, its class and its fields."""
    kind = type(head)
    return json.dumps([kind.__module__, kind.__name__, dataclasses.asdict(head)])


def load_head(text: str):
    """The head that `dump_head` wrote."""
    module, name, fields = json.loads(text)
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return getattr(importlib.import_module(module), name)(**fields)
