"""A pushed version, loaded and asked as any program would."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the model's ops)

from components.common.errors import InputError


class PushedModel:
    """A version, loaded; `names` are the texts that it takes."""

    def __init__(self, version: str):
        self._signature = tf.saved_model.load(version).signatures["serving_default"]
        self.names = sorted(self._signature.structured_input_signature[1])
        # TensorFlow's last start-up message comes with the first answer.
        self.outputs([dict.fromkeys(self.names, "")])

    def outputs(self, rows: Sequence[dict[str, str | bytes]]) -> dict:
        """The outputs of serving_default, NumPy arrays [rows, ...]."""
        for row in rows:
            if sorted(row) != self.names:
                raise InputError(
                    f"The model takes {', '.join(self.names)}, not {', '.join(sorted(row))}."
                )
        texts = {name: tf.constant([row[name] for row in rows]) for name in self.names}
        return {name: value.numpy() for name, value in sorted(self._signature(**texts).items())}

    def answers(self, rows: Sequence[dict[str, str | bytes]]) -> list[dict]:
        """The same, row by row, as what JSON holds."""
        outputs = self.outputs(rows)
        return [
            {name: _plain(value[index]) for name, value in outputs.items()}
            for index in range(len(rows))
        ]


def _plain(value):
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return [_plain(item) for item in value] if value.ndim else value.item()
