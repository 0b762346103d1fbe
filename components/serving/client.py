"""Loads a pushed version and asks it, as any program could."""

from collections.abc import Iterator, Sequence

import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the model's ops)

from components.common.cache import without_patterns
from components.common.errors import InputError


class PushedModel:
    """A loaded version of a model.

    Attributes:
      names: of the texts that it takes.
    """

    def __init__(self, version: str):
        try:
            signatures = tf.saved_model.load(without_patterns(version)).signatures
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise InputError(
                f"{version} cannot be loaded: {str(error).splitlines()[0][:300]}. Pass a version that "
                "was pushed."
            ) from None
        inputs: dict = {}
        if "serving_default" in signatures:
            self._signature = signatures["serving_default"]
            inputs = self._signature.structured_input_signature[1]
        if not inputs or any(s.dtype != tf.string or s.shape.rank != 1 for s in inputs.values()):
            raise InputError(
                f"{version} is a SavedModel, but has no serving_default that takes texts. Pass a "
                "version that was pushed."
            )
        self.names = sorted(inputs)
        # TensorFlow's last start-up message comes with the first answer.
        self.outputs([dict.fromkeys(self.names, "")])

    def outputs(self, examples: Sequence[dict[str, str | bytes]]) -> dict:
        """Returns the outputs of serving_default, NumPy arrays [examples, ...].

        Raises:
          InputError: an example has other texts than the model takes.
        """
        for example in examples:
            if sorted(example) != self.names:
                raise InputError(
                    f"The model takes {', '.join(self.names)}, not {', '.join(sorted(example))}."
                )
        texts = {name: tf.constant([e[name] for e in examples]) for name in self.names}
        return {name: value.numpy() for name, value in sorted(self._signature(**texts).items())}

    def answers(self, examples: Sequence[dict[str, str | bytes]]) -> list[dict]:
        """Returns the outputs of each example, as what JSON holds; see `outputs`."""
        outputs = self.outputs(examples)
        return [
            {name: _plain(value[index]) for name, value in outputs.items()}
            for index in range(len(examples))
        ]

    def answers_by_number(
        self, numbered: Sequence[tuple[int, dict[str, str | bytes] | str]]
    ) -> Iterator[tuple[int, dict | str]]:
        """Yields the number of each example, and its answer or the reason why it has none.

        Args:
          numbered: number of each example, and its texts or the reason why it has none.
        """
        asked = [texts for _, texts in numbered if isinstance(texts, dict)]
        said = iter(self._answers_or_reasons(asked) if asked else [])
        for number, texts in numbered:
            yield number, texts if isinstance(texts, str) else next(said)

    def _answers_or_reasons(self, examples: Sequence[dict[str, str | bytes]]) -> list[dict | str]:
        try:
            return list(self.answers(examples))
        except tf.errors.OpError as error:
            if len(examples) > 1:
                return [self._answers_or_reasons([example])[0] for example in examples]
            return [f"the model fails: {error.message[:300]}"]


def _plain(value):
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return [_plain(item) for item in value] if value.ndim else value.item()
