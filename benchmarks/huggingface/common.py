"""The code of all baselines: batches, optimizer, training loop, prediction and result file."""

import argparse
import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import transformers

BATCH_SIZE = 32
MEGABATCH = 50  # batches per length-sorted group
WARMUP, WEIGHT_DECAY, CLIP_NORM, DROPOUT = 0.1, 0.01, 1.0, 0.1
REPORT_STEPS = 20
KEY = ("seed", "epochs", "learning_rate", "precision")  # identifies a run


def make_parser(description):
    """Returns a parser of the options that every baseline has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--checkpoint", required=True, help="model directory")
    parser.add_argument("--output", required=True, help="JSON lines file to append to")
    parser.add_argument("--epochs", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[5e-5, 1e-4, 2e-4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--bf16", action="store_true", help="train under bfloat16 autocast")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def run_grid(args, run):
    """Appends run(seed, epochs, learning_rate), a dictionary, for each run not in the output yet."""
    torch.set_num_threads(args.threads)
    output = Path(args.output)
    for grid in itertools.product(args.seeds, args.epochs, args.learning_rates):
        key = (*grid, "bf16" if args.bf16 else "fp32")
        lines = output.read_text().splitlines() if output.exists() else []
        if key in [tuple(map(json.loads(line).get, KEY)) for line in lines]:
            continue
        record = {
            **dict(zip(KEY, key)),
            **run(*grid),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
        with output.open("a") as file:
            print(json.dumps(record), file=file)


def load_model(kind, checkpoint, **settings):
    """Loads the checkpoint's encoder in float32, with dropout, under a new head."""
    return kind.from_pretrained(
        checkpoint,
        dtype=torch.float32,
        hidden_dropout_prob=DROPOUT,
        attention_probs_dropout_prob=DROPOUT,
        **settings,
    )


def train(load, tokenizer, features, seed, epochs, learning_rate, bf16, unit):
    """Fine-tunes the model that `load()` returns.

    Args:
      load: called after the seed is set, since it initializes the head.
      features: the model's inputs and targets for each sequence, unpadded.
      unit: name of a sequence in the progress and in the speed's name, in the plural.

    Returns:
      The model, and a dictionary of train_<unit>_per_second, seconds and cpu_seconds.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = load().train()
    steps = epochs * -(-len(features) // BATCH_SIZE)
    optimizer, schedule = make_optimizer(model, learning_rate, steps)
    lengths = [len(feature["input_ids"]) for feature in features]
    start, cpu_start, losses, seen = time.perf_counter(), time.process_time(), [], 0
    for indices in itertools.chain.from_iterable(
        grouped_batches(lengths, rng) for _ in range(epochs)
    ):
        batch = tokenizer.pad([features[i] for i in indices], return_tensors="pt")
        losses.append(train_step(model, optimizer, schedule, batch, bf16))
        seen += len(indices)
        if len(losses) % REPORT_STEPS == 0:
            print(
                f"seed {seed} epochs {epochs} lr {learning_rate:g} "
                f"step {len(losses)}/{steps} loss {np.mean(losses[-REPORT_STEPS:]):.4f} "
                f"{seen / (time.perf_counter() - start):.1f} {unit}/s",
                file=sys.stderr,
                flush=True,
            )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return model, {
        f"train_{unit}_per_second": seen / seconds,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }


def train_step(model, optimizer, schedule, batch, bf16):
    """Updates the weights once and returns the batch's loss."""
    with autocast(bf16):
        loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    return loss.item()


def grouped_batches(lengths, rng):
    """Returns shuffled batches of indices whose sequences have similar lengths."""
    order, batches = rng.permutation(len(lengths)), []
    for start in range(0, len(order), MEGABATCH * BATCH_SIZE):
        mega = sorted(order[start : start + MEGABATCH * BATCH_SIZE], key=lambda i: -lengths[i])
        batches += [mega[i : i + BATCH_SIZE] for i in range(0, len(mega), BATCH_SIZE)]
    return [batches[i] for i in rng.permutation(len(batches))]


def make_optimizer(model, learning_rate, steps):
    """AdamW without decay on biases and LayerNorm, linear warm-up then decay to zero."""
    groups = [{"params": [], "weight_decay": decay} for decay in (WEIGHT_DECAY, 0.0)]
    for name, parameter in model.named_parameters():
        groups["LayerNorm" in name or name.endswith("bias")]["params"].append(parameter)
    optimizer = torch.optim.AdamW(groups, lr=learning_rate)
    return optimizer, transformers.get_linear_schedule_with_warmup(
        optimizer, round(WARMUP * steps), steps
    )


def autocast(bf16):
    """A context in which the model computes in bfloat16, if wanted."""
    return torch.autocast("cpu", torch.bfloat16, enabled=bf16)


def predict(model, tokenizer, features, bf16, read):
    """Returns, in the order of the features, what `read` takes from the output of their batch.

    Args:
      features: the model's inputs for each sequence, unpadded.
      read: the model's output -> one result per sequence of its batch.
    """
    model.eval()
    results = [None] * len(features)
    by_length = sorted(range(len(features)), key=lambda i: len(features[i]["input_ids"]))
    with torch.inference_mode(), autocast(bf16):
        for start in range(0, len(features), BATCH_SIZE):
            indices = by_length[start : start + BATCH_SIZE]
            batch = tokenizer.pad([features[i] for i in indices], return_tensors="pt")
            for i, result in zip(indices, read(model(**batch))):
                results[i] = result
    return results
