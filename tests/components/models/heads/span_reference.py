"""A span head in plain Python, from logits to characters: what the graph is held against."""

import math


def windows_of(
    question: list, context: list, max_length: int, stride: int
) -> list[tuple[int, int]]:
    """(start, length) in the context's tokens, of each window."""
    room = max_length - 3 - len(question)
    windows = [(0, min(room, len(context)))]
    while sum(windows[-1]) < len(context):
        start = windows[-1][0] + room - stride
        windows.append((start, min(room, len(context) - start)))
    return windows


def best_answers(
    context: bytes,
    offsets: list[tuple[int, int]],
    windows: list[tuple[int, int]],
    logits: list[list[tuple[float, float]]],
    first_position: int,
    max_answer_length: int,
    n_best: int,
) -> list[dict]:
    """The likeliest spans: dictionaries of text (bytes), score, start and end (characters).

    Args:
      context: UTF-8.
      offsets: where each token of the context begins and ends, in bytes.
      windows: of `windows_of`.
      logits: of each window, (start, end) of each of its positions.
      first_position: where in a window the context begins.
      max_answer_length: tokens.
      n_best: how many spans of a window, and then how many texts, compete.
    """
    candidates: list[tuple[float, int, int]] = []  # minus the score, start, length; of all windows
    for (start, length), row in zip(windows, logits, strict=True):
        spans = [
            (-(row[first_position + first][0] + row[first_position + last][1]), first, last)
            for first in range(length)
            for last in range(first, min(first + max_answer_length, length))
        ]
        for negated, first, last in sorted(spans)[:n_best]:
            begin, end = offsets[start + first][0], offsets[start + last][1]
            candidates.append((negated, begin, end - begin))
    best: dict[bytes, tuple[float, int, int]] = {}
    for negated, begin, length in sorted(candidates):
        best.setdefault(context[begin : begin + length], (-negated, begin, length))
    kept = list(best.values())[:n_best]
    if not kept:
        return [{"text": b"", "score": 0.0, "start": 0, "end": 0}]
    top = kept[0][0]
    total = sum(math.exp(score - top) for score, _, _ in kept)
    return [
        _answer(context, begin, begin + length, score - top, total) for score, begin, length in kept
    ]


def _answer(context: bytes, start: int, end: int, difference: float, total: float) -> dict:
    return {
        "text": context[start:end],
        "score": math.exp(difference) / total,
        "start": len(context[:start].decode()),
        "end": len(context[:end].decode()),
    }
