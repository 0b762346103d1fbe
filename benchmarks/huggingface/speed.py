"""Hugging Face transformers with PyTorch as a worker: see `benchmarks/worker.py`.

It is set up for a CPU: batches of similar length, padded to their longest sequence, bfloat16 autocast
where the processor has it. Examples come as JSON lines with the task's raw features.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

import common
import mrpc
import numpy as np
import squad
import torch
from common import grouped_batches, load_model, make_optimizer, train_step
from transformers import AutoTokenizer, BertForQuestionAnswering

sys.path.append(str(Path(__file__).resolve().parents[2]))
from benchmarks.flops import encoder_flops, matmul_flops
from benchmarks.worker import serve


def mrpc_features(tokenizer, examples):
    fields = ("sentence1", "sentence2", "label")
    return mrpc.encode(tokenizer, [tuple(e[name][0] for name in fields) for e in examples])


def squad_features(tokenizer, examples):
    examples = [
        squad.Example(
            e["question"][0],
            e["context"][0],
            list(zip(e["answer_text"], e["answer_start"])),
        )
        for e in examples
    ]
    windows = squad.windows_of(tokenizer, examples)
    return [squad.with_targets(window, examples) for window in windows]


TASKS = {
    "mrpc": (mrpc_features, mrpc.load, ("sentence1", "sentence2")),
    "squad": (
        squad_features,
        lambda checkpoint: load_model(BertForQuestionAnswering, checkpoint),
        ("question", "context"),
    ),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--examples", required=True, help="JSON lines: feature -> list of values")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--bf16", action="store_true")
    args = parser.parse_args()
    common.BATCH_SIZE = args.batch_size
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    to_features, load, texts = TASKS[args.task]
    examples = [json.loads(line) for line in Path(args.examples).read_text().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint, use_fast=True)
    features = to_features(tokenizer, examples)
    lengths = [len(feature["input_ids"]) for feature in features]
    model = load(args.checkpoint).train()
    optimizer, schedule = make_optimizer(model, 1e-5, 1_000_000)
    rng = np.random.default_rng(0)
    size = model.config.num_hidden_layers, model.config.hidden_size, model.config.intermediate_size
    facts = {
        "precision": "bfloat16" if args.bf16 else "float32",
        "rows": len(features),
        "tokens": sum(lengths),
        "flops": sum(encoder_flops(length, *size) for length in lengths),
    }

    def train():
        padded = 0
        for indices in grouped_batches(lengths, rng):
            batch = tokenizer.pad([features[i] for i in indices], return_tensors="pt")
            padded += batch["input_ids"].numel()
            train_step(model, optimizer, schedule, batch, args.bf16)
        return {**facts, "padding_fraction": 1 - sum(lengths) / padded}

    def tokenize():
        """As the tokenizer's users do: lists of text in, lists of ids out."""
        columns = [[example[name][0] for example in examples] for name in texts]
        ids = [tokenizer(column, add_special_tokens=False)["input_ids"] for column in columns]
        tokens = sum(map(len, itertools.chain.from_iterable(ids)))
        return {"texts": sum(map(len, columns)), "tokens": tokens}

    serve(
        {
            "train": train,
            "tokenize": tokenize,
            "peak": lambda: {"flops_per_second": peak(args.bf16)},
        }
    )


def peak(bf16):
    """Measures FLOP/s of square matrix products in the precision of training."""
    matrix = torch.rand(2048, 2048, dtype=torch.bfloat16 if bf16 else torch.float32)
    return matmul_flops(2048, lambda: matrix @ matrix)


if __name__ == "__main__":
    main()
