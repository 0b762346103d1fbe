"""A BERT so small that tests can train it: 2 layers, 2 heads, hidden size 16."""

import string
from collections.abc import Iterable

import numpy as np

from components.models.bert import network


def tiny_vocabulary(words: Iterable[str]) -> list[str]:
    """Marks, ASCII punctuation, letters and digits alone and as ##continuation, then `words`."""
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = string.ascii_lowercase + string.digits
    pieces = [*marks, *string.punctuation, *characters, *(f"##{c}" for c in characters), *words]
    return list(dict.fromkeys(pieces))


def tiny_config(vocab_size: int, dropout: float = 0.1) -> network.EncoderConfig:
    return network.EncoderConfig(
        vocab_size=vocab_size,
        hidden_size=16,
        num_layers=2,
        num_heads=2,
        intermediate_size=32,
        max_positions=128,
        dropout=dropout,
        attention_dropout=dropout,
    )


def tiny_values(config: network.EncoderConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights far enough from BERT's first ones that every part of the network shows."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(1.0 if name.endswith("gamma") else 0.0, 0.3, shape).astype(np.float32)
        for name, shape in network.variable_shapes(config).items()
    }


def write_tiny_encoder(
    directory: str, words: Iterable[str], lower_case: bool = True, dropout: float = 0.1
) -> str:
    """Writes a tiny encoder, the same one each time, and returns its path.

    Args:
      directory: where to write the SavedModel.
      words: whole words for the vocabulary, beside what `tiny_vocabulary` brings.
      lower_case: whether text is lower-cased.
      dropout: of hidden units and of attention weights.
    """
    vocabulary = tiny_vocabulary(words)
    config = tiny_config(len(vocabulary), dropout)
    network.save(config, tiny_values(config), vocabulary, lower_case, str(directory))
    return str(directory)
