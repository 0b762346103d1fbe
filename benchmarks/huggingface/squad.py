"""Fine-tunes a BERT checkpoint on SQuAD 1.1 with PyTorch and Hugging Face transformers.

Trains one model per seed and configuration, evaluates it once, after its last
epoch, on the evaluation file, and appends one JSON line per run to the output
file. Runs that the output file already holds are skipped. Windows, targets and
the choice of the answer are those of the transformers example run_qa; questions
are cut to 64 tokens. Answers are judged by the project's own metrics.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from common import load_model, make_parser, predict, run_grid, train
from transformers import AutoTokenizer, BertForQuestionAnswering

sys.path.append(str(Path(__file__).resolve().parents[2]))
from components.evaluation.metrics.span_extraction import exact_match, f1

MAX_LENGTH, STRIDE = 384, 128  # tokens of a window; of context that two windows share
MAX_QUESTION_LENGTH, MAX_ANSWER_LENGTH = 64, 30  # tokens
N_BEST = 20  # starts and ends of a window that compete


class Example(NamedTuple):
    """A question; answers are (text, start in the context in characters), the first one trains."""

    question: str
    context: str
    answers: list[tuple[str, int]]


class Window(NamedTuple):
    """A question with as much of its context as one sequence holds.

    Attributes:
      example: index of the example.
      features: what the model takes, unpadded.
      first: position in the sequence of the context's first token.
      offsets: int [tokens of context, 2], start and end in the context, in characters.
    """

    example: int
    features: dict
    first: int
    offsets: np.ndarray


def read_squad(file):
    """Returns the Examples of a SQuAD 1.1 file.

    Raises:
      ValueError: a question has no answer, or one that is not where it is said to be.
    """
    examples = []
    for article in json.loads(Path(file).read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            context = paragraph["context"]
            for question in paragraph["qas"]:
                answers = [(a["text"], a["answer_start"]) for a in question["answers"]]
                if not answers or not all(
                    text.strip() and context.startswith(text, start) for text, start in answers
                ):
                    raise ValueError(
                        f"{file}: question {question['id']}: answers must be given and stand "
                        f"at answer_start in the context; correct or remove the question"
                    )
                examples.append(Example(question["question"].strip(), context, answers))
    return examples


def windows_of(tokenizer, examples):
    """Yields the Windows of all examples, in order."""
    for index, example in enumerate(examples):
        enc = tokenizer(
            cut(tokenizer, example.question),
            example.context,
            truncation="only_second",
            max_length=MAX_LENGTH,
            stride=STRIDE,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=False,
        )
        for index, offsets in enumerate(enc["offset_mapping"]):
            context = [i for i, part in enumerate(enc.sequence_ids(index)) if part == 1]
            features = {name: enc[name][index] for name in tokenizer.model_input_names}
            yield Window(index, features, context[0], np.array(offsets)[context])


def cut(tokenizer, question):
    """Returns the question's first MAX_QUESTION_LENGTH tokens, as text."""
    ends = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)
    ends = [end for _, end in ends["offset_mapping"]]
    return (
        question[: ends[MAX_QUESTION_LENGTH - 1]] if len(ends) > MAX_QUESTION_LENGTH else question
    )


def target(window, text, start):
    """Returns the positions of an answer's first and last token; 0, [CLS], if it is not there.

    Args:
      text: the answer.
      start: where it stands in the context, in characters.
    """
    start += len(text) - len(text.lstrip())
    end = start + len(text.strip())
    starts, ends = window.offsets.T
    first = int(np.searchsorted(ends, start, side="right"))
    last = int(np.searchsorted(starts, end, side="left")) - 1
    if start < starts[0] or end > ends[-1] or first > last:
        return 0, 0
    return window.first + first, window.first + last


def with_targets(window, examples):
    """Returns the window's features and its first reference answer's start and end."""
    first, last = target(window, *examples[window.example].answers[0])
    return {**window.features, "start_positions": first, "end_positions": last}


def best_span(window, logits):
    """Returns (score, first, last), tokens counted in the window's context.

    The score is -inf if none of the N_BEST starts and ends of the window make an answer.

    Args:
      logits: float [2, at least the window's length], of starts and of ends.
    """
    logits = logits[:, : len(window.features["input_ids"])]
    starts, ends = np.argsort(-logits, axis=1, kind="stable")[:, :N_BEST]
    scores = logits[0, starts][:, None] + logits[1, ends]
    lengths = ends - starts[:, None] + 1
    in_context = (starts[:, None] >= window.first) & (ends < window.first + len(window.offsets))
    scores[(lengths < 1) | (lengths > MAX_ANSWER_LENGTH) | ~in_context] = -np.inf
    i, j = np.unravel_index(scores.argmax(), scores.shape)
    return scores[i, j], starts[i] - window.first, ends[j] - window.first


def answers_of(examples, windows, logits):
    """Returns each example's answer, the best over its windows; "" if there is none."""
    best = [(-np.inf, "")] * len(examples)
    for window, scores in zip(windows, logits):
        score, first, last = best_span(window, scores)
        if score > best[window.example][0]:
            start, end = window.offsets[first, 0], window.offsets[last, 1]
            best[window.example] = score, examples[window.example].context[start:end]
    return [text for _, text in best]


def evaluate(model, tokenizer, examples, windows, bf16):
    """Returns exact match and F1, as fractions, of the model's answers."""
    features = [window.features for window in windows]
    logits = predict(
        model,
        tokenizer,
        features,
        bf16,
        lambda out: torch.stack([out.start_logits, out.end_logits], 1).float().numpy(),
    )
    return scores_of(answers_of(examples, windows, logits), examples)


def scores_of(answers, examples):
    """Returns the means of exact match and F1, each the best over a question's references."""
    references = [[text for text, _ in example.answers] for example in examples]
    return {
        metric.__name__: float(np.mean([metric(*pair) for pair in zip(answers, references)]))
        for metric in (exact_match, f1)
    }


def main():
    """Parses the arguments and performs the runs that are not in the output yet."""
    parser = make_parser(__doc__)
    parser.add_argument("--train", required=True, help="SQuAD 1.1 file")
    parser.add_argument("--eval", required=True, help="SQuAD 1.1 file")
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint, use_fast=True)
    train_examples, eval_examples = read_squad(args.train), read_squad(args.eval)
    train_windows = [
        with_targets(window, train_examples) for window in windows_of(tokenizer, train_examples)
    ]
    eval_windows = list(windows_of(tokenizer, eval_examples))
    print(
        f"{len(train_examples)} training questions in {len(train_windows)} windows, "
        f"{len(eval_examples)} evaluation questions in {len(eval_windows)}",
        file=sys.stderr,
    )

    def run(*grid):
        model, speed = train(
            lambda: load_model(BertForQuestionAnswering, args.checkpoint),
            tokenizer,
            train_windows,
            *grid,
            args.bf16,
            "windows",
        )
        scores = evaluate(model, tokenizer, eval_examples, eval_windows, args.bf16)
        return {**scores, **speed, "windows": len(train_windows)}

    run_grid(args, run)


if __name__ == "__main__":
    main()
