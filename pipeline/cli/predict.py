"""Answers a few examples with a pushed model, or scores it on labelled ones."""

import contextlib
import json
import sys
from collections.abc import Iterable

import click

from components.common.errors import InputError
from components.common.progress import Counter
from components.common.stderr_filter import quiet_stderr
from components.serving.request_examples import Texts, batches, check_text, read_texts
from pipeline.cli.options import PLACE, model_argument, pushed_version

_BATCH_SIZE = 32


@click.command("predict")
@model_argument
@click.argument("text", nargs=-1, metavar="[NAME=TEXT]...")
@click.option(
    "--file", type=PLACE, help="Examples to answer: JSON lines, or columns under a header."
)
@click.option("--score", type=PLACE, help="Labelled examples to score the model on.")
def command(model: str, text: tuple[str, ...], file: str | None, score: str | None) -> None:
    """Answers a few examples with a pushed model, or scores it on labelled ones.

    MODEL is a version, or a folder of versions, of which the newest answers. Each answer is a line of
    JSON, in the order of the examples. A line that cannot be answered has {"line", "error"} in its
    place, and the exit code is 2. --score prints one line with each metric and its interval.

    \b
    bert-tfx predict output/serving/mrpc sentence1='He won .' sentence2='The win was his .'
    bert-tfx predict output/serving/mrpc --file examples.jsonl   # or .tsv; - is standard input
    bert-tfx predict output/serving/mrpc --score labelled.tsv    # a file that prepare accepts
    """
    if sum(map(bool, (text, file, score))) != 1:
        raise click.UsageError("pass the texts of one example, or --file, or --score")
    version = pushed_version(model)
    if text:
        named = _named(text)
        with quiet_stderr():
            _write(_load(version).answers([named]))
    elif score:
        _score(version, score)
    elif file:
        _answer_file(version, file)


def _load(version: str):
    # These imports take seconds, so bad arguments are reported before them.
    from components.serving.client import PushedModel

    return PushedModel(version)


def _score(version: str, file: str) -> None:
    # It takes seconds to import, so bad arguments are reported before.
    with quiet_stderr():
        from components.serving.scoring import score
    with Counter("Answered", "examples") as counter:
        scores = score(version, file, counter)
        counter.say()
    print(json.dumps(scores, allow_nan=False))


def _unreadable(file: str, error: OSError) -> InputError:
    return InputError(f"{file} cannot be read: {error.strerror}.")


def _answer_file(version: str, file: str) -> None:
    with contextlib.ExitStack() as stack:
        try:
            stream = sys.stdin.buffer if file == "-" else stack.enter_context(open(file, "rb"))
        except OSError as error:
            raise _unreadable(file, error) from None
        with quiet_stderr():
            model = _load(version)
        source = "standard input" if file == "-" else file
        counter = Counter("Answered", "examples", bar=not sys.stdout.isatty())
        stack.enter_context(counter)
        refused = 0
        for batch in batches(read_texts(stream, source, model.names), _BATCH_SIZE):
            for line, said in model.answers_by_number(batch):
                refused += isinstance(said, str)
                _write([{"line": line, "error": said} if isinstance(said, str) else said])
            counter.add(len(batch))
        counter.say()
    if refused:
        raise InputError(
            f"{refused:,} lines of {source} have no answer; in the place of each stands why. Mend them "
            "and ask again."
        )


def _write(answers: Iterable[dict]) -> None:
    for answer in answers:
        print(json.dumps(answer, ensure_ascii=sys.stdout.encoding.lower() != "utf-8"))
    sys.stdout.flush()


def _named(assignments: Iterable[str]) -> Texts:
    for assignment in assignments:
        if "=" not in assignment:
            raise InputError(f"{assignment!r}: write NAME=TEXT.")
    named = dict(assignment.split("=", 1) for assignment in assignments)
    for name, text in named.items():
        check_text("the command line", name, text)
    return named
