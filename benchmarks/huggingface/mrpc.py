"""Fine-tunes a BERT checkpoint on MRPC with PyTorch and Hugging Face transformers.

Trains one model per seed and configuration, evaluates it once, after its last
epoch, on the development split, and appends one JSON line per run to the output
file. Runs that the output file already holds are skipped.
"""

import sys
from pathlib import Path

import numpy as np
from common import load_model, make_parser, predict, run_grid, train
from safetensors import safe_open
from transformers import AutoTokenizer, BertForSequenceClassification

MAX_LENGTH = 128


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
        raise ValueError(f"found {len(dev)} of {len(dev_ids)} development examples")
    return train, dev


def encode(tokenizer, examples):
    """Tokenizes examples without padding into one feature dictionary per example."""
    first, second, labels = zip(*examples)
    enc = tokenizer(
        list(first), list(second), truncation=True, max_length=MAX_LENGTH, padding=False
    )
    return [
        {"labels": label, **{key: enc[key][i] for key in enc}} for i, label in enumerate(labels)
    ]


def load(checkpoint):
    """Loads the encoder under a new two-class head and says where the pooler is from."""
    with safe_open(Path(checkpoint) / "model.safetensors", "pt") as weights:
        pooler = any("pooler.dense.weight" in key for key in weights.keys())  # noqa: SIM118 (no dict)
    print("pooler:", "from the checkpoint" if pooler else "newly initialized", file=sys.stderr)
    return load_model(BertForSequenceClassification, checkpoint, num_labels=2)


def evaluate(model, tokenizer, features, bf16):
    """Returns accuracy and the paraphrase class's F1 on the features."""
    labels = predict(model, tokenizer, features, bf16, lambda out: out.logits.argmax(-1).tolist())
    predicted, actual = np.array(labels), np.array([feature["labels"] for feature in features])
    f1 = 2 * (predicted * actual).sum() / (predicted.sum() + actual.sum())
    return {"accuracy": float((predicted == actual).mean()), "f1": float(f1)}


def main():
    """Parses the arguments and performs the runs that are not in the output yet."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", required=True, help="directory with the two MRPC files")
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint, use_fast=True)
    train_features, dev_features = (encode(tokenizer, part) for part in read_mrpc(args.data))
    print(
        f"{len(train_features)} training examples, {len(dev_features)} development examples",
        file=sys.stderr,
    )

    def run(*grid):
        model, speed = train(
            lambda: load(args.checkpoint), tokenizer, train_features, *grid, args.bf16, "examples"
        )
        return {**evaluate(model, tokenizer, dev_features, args.bf16), **speed}

    run_grid(args, run)


if __name__ == "__main__":
    main()
