"""Fine-tunes a BERT checkpoint on MRPC with PyTorch and Hugging Face transformers.

Trains one model per seed and configuration, evaluates it once, after its last
epoch, on the development split, and appends one JSON line per run to the output
file. Runs that the output file already holds are skipped.
"""

import argparse
import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors import safe_open
from transformers import AutoTokenizer, BertForSequenceClassification

BATCH_SIZE, MAX_LENGTH = 32, 128
MEGABATCH = 50  # batches per length-sorted group
WARMUP, WEIGHT_DECAY, CLIP_NORM, DROPOUT = 0.1, 0.01, 1.0, 0.1
KEY = ("seed", "epochs", "learning_rate", "precision")  # identifies a run


def read_mrpc(directory):
    """Returns (train, dev), each a list of (sentence 1, sentence 2, label)."""
    directory = Path(directory)
    ids = (directory / "mrpc_dev_ids.tsv").read_text(encoding="utf-8").splitlines()
    dev_ids = {tuple(line.split("\t")) for line in ids if line.strip()}
    text = (directory / "msr_paraphrase_train.txt").read_text(encoding="utf-8-sig")
    train, dev = [], []
    for line in text.strip("\n").split("\n")[1:]:
        label, id1, id2, first, second = line.rstrip("\r").split("\t")
        (dev if (id1, id2) in dev_ids else train).append((first, second, int(label)))
    if len(dev) != len(dev_ids):
        raise ValueError(f"found {len(dev)} of {len(dev_ids)} development rows")
    return train, dev


def encode(tokenizer, rows):
    """Tokenizes rows without padding into one feature dictionary per row."""
    first, second, labels = zip(*rows)
    enc = tokenizer(
        list(first), list(second), truncation=True, max_length=MAX_LENGTH, padding=False
    )
    return [
        {"labels": label, **{key: enc[key][i] for key in enc}} for i, label in enumerate(labels)
    ]


def grouped_batches(lengths, rng):
    """Returns shuffled batches of indices whose rows have similar lengths."""
    order, batches = rng.permutation(len(lengths)), []
    for start in range(0, len(order), MEGABATCH * BATCH_SIZE):
        mega = sorted(order[start : start + MEGABATCH * BATCH_SIZE], key=lambda i: -lengths[i])
        batches += [mega[i : i + BATCH_SIZE] for i in range(0, len(mega), BATCH_SIZE)]
    return [batches[i] for i in rng.permutation(len(batches))]


def load_model(checkpoint):
    """Loads the encoder under a new two-class head and says where the pooler is from."""
    with safe_open(Path(checkpoint) / "model.safetensors", "pt") as weights:
        pooler = any("pooler.dense.weight" in key for key in weights.keys())  # noqa: SIM118 (no dict)
    print("pooler:", "from the checkpoint" if pooler else "newly initialized", file=sys.stderr)
    return BertForSequenceClassification.from_pretrained(
        checkpoint,
        num_labels=2,
        dtype=torch.float32,
        hidden_dropout_prob=DROPOUT,
        attention_probs_dropout_prob=DROPOUT,
    )


def make_optimizer(model, learning_rate, steps):
    """AdamW without decay on biases and LayerNorm, linear warm-up then decay to zero."""
    groups = [{"params": [], "weight_decay": decay} for decay in (WEIGHT_DECAY, 0.0)]
    for name, parameter in model.named_parameters():
        groups["LayerNorm" in name or name.endswith("bias")]["params"].append(parameter)
    optimizer = torch.optim.AdamW(groups, lr=learning_rate)
    return optimizer, transformers.get_linear_schedule_with_warmup(
        optimizer, round(WARMUP * steps), steps
    )


def evaluate(model, tokenizer, features, autocast):
    """Returns (accuracy, F1 of the paraphrase class) on the features."""
    model.eval()
    features = sorted(features, key=lambda f: len(f["input_ids"]))
    predictions = []
    with torch.inference_mode(), autocast():
        for start in range(0, len(features), BATCH_SIZE):
            batch = tokenizer.pad(features[start : start + BATCH_SIZE], return_tensors="pt")
            predictions += model(**batch).logits.argmax(-1).tolist()
    predicted, actual = np.array(predictions), np.array([f["labels"] for f in features])
    f1 = 2 * (predicted * actual).sum() / (predicted.sum() + actual.sum())
    return float((predicted == actual).mean()), float(f1)


def run(args, tokenizer, train, dev, seed, epochs, learning_rate):
    """Trains and evaluates one model and returns its result record."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = load_model(args.checkpoint).train()
    steps = epochs * -(-len(train) // BATCH_SIZE)
    optimizer, schedule = make_optimizer(model, learning_rate, steps)
    lengths = [len(f["input_ids"]) for f in train]
    start, cpu_start, losses, seen = time.perf_counter(), time.process_time(), [], 0
    for _ in range(epochs):
        for indices in grouped_batches(lengths, rng):
            batch = tokenizer.pad([train[i] for i in indices], return_tensors="pt")
            with args.autocast():
                loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses, seen = [*losses, loss.item()], seen + len(indices)
            if len(losses) % 20 == 0:
                print(
                    f"seed {seed} epochs {epochs} lr {learning_rate:g} "
                    f"step {len(losses)}/{steps} loss {np.mean(losses[-20:]):.4f} "
                    f"{seen / (time.perf_counter() - start):.1f} examples/s",
                    file=sys.stderr,
                    flush=True,
                )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    accuracy, f1 = evaluate(model, tokenizer, dev, args.autocast)
    return {
        **dict(zip(KEY, (seed, epochs, learning_rate, args.precision))),
        "accuracy": accuracy,
        "f1": f1,
        "train_examples_per_second": seen / seconds,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def main():
    """Parses the arguments and performs the runs that are not in the output yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="directory with the two MRPC files")
    parser.add_argument("--checkpoint", required=True, help="model directory")
    parser.add_argument("--output", required=True, help="JSON lines file to append to")
    parser.add_argument("--epochs", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[5e-5, 1e-4, 2e-4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--bf16", action="store_true", help="train under bfloat16 autocast")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    args.precision = "bf16" if args.bf16 else "fp32"
    args.autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=args.bf16)
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint, use_fast=True)
    train, dev = (encode(tokenizer, rows) for rows in read_mrpc(args.data))
    print(f"{len(train)} training rows, {len(dev)} development rows", file=sys.stderr)
    output = Path(args.output)
    for key in itertools.product(args.seeds, args.epochs, args.learning_rates):
        lines = output.read_text().splitlines() if output.exists() else []
        if (*key, args.precision) in [tuple(map(json.loads(line).get, KEY)) for line in lines]:
            continue
        record = run(args, tokenizer, train, dev, *key)
        with output.open("a") as file:
            print(json.dumps(record), file=file)


if __name__ == "__main__":
    main()
