"""Asks a pushed model: python -m pipeline.predict MODEL sentence1='...' sentence2='...'

MODEL is a version, or a folder of versions, of which the newest is asked. The answer is a line of JSON.
"""

import argparse
import json
import pathlib
import sys

from components.errors import InputError
from components.quiet import quiet_stderr


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("text", nargs="+", metavar="NAME=TEXT")
    options = parser.parse_args(arguments)
    try:
        with quiet_stderr():
            answer = predict(newest_version(options.model), _named(options.text))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(answer, ensure_ascii=False))
    return 0


def newest_version(model: str) -> pathlib.Path:
    """The folder itself if it is a SavedModel, else the highest number in it."""
    folder = pathlib.Path(model)
    versions = [folder] if (folder / "saved_model.pb").is_file() else []
    versions += sorted(
        (path for path in folder.glob("*") if path.name.isdigit()), key=lambda path: int(path.name)
    )
    if not versions:
        raise InputError(f"{model} holds no model. Pass what the closing table of a run names.")
    return versions[-1]


def predict(version: pathlib.Path, text: dict[str, str]) -> dict:
    """The outputs of serving_default for one row."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401 (registers the model's ops)

    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    names = set(signature.structured_input_signature[1])
    if names != set(text):
        raise InputError(
            f"The model takes {', '.join(sorted(names))}, not {', '.join(sorted(text))}."
        )
    outputs = signature(**{name: tf.constant([value]) for name, value in text.items()})
    return {name: _plain(value[0].numpy()) for name, value in sorted(outputs.items())}


def _plain(value):
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return [_plain(item) for item in value] if value.ndim else value.item()


def _named(assignments: list[str]) -> dict[str, str]:
    for assignment in assignments:
        if "=" not in assignment:
            raise InputError(f"{assignment!r}: write NAME=TEXT.")
    return dict(assignment.split("=", 1) for assignment in assignments)


if __name__ == "__main__":
    sys.exit(main())
