"""This project and the article's recipe, as workers: see `benchmarks/worker.py`.

Both train the task's head on the same encoder. The article's recipe is Keras fit on hub.KerasLayer as
TF Hub's tutorials show it: every sequence padded to the task's max_seq_length, Keras's AdamW, float32.
"""

import argparse

import components  # noqa: F401 (chooses legacy Keras, before TensorFlow is imported)

# isort: split
import tensorflow as tf

from benchmarks.flops import encoder_flops, matmul_flops
from benchmarks.worker import serve
from components.common.serialization import from_json
from components.devices.precision import choose, rewritten_to
from components.devices.strategies import distribute
from components.models.bert.tokenizer import Vocabulary
from components.models.heads.head import build_head
from components.preprocessing.in_memory import examples_of, read_raw
from components.spec.encoder import Encoder
from components.spec.registry import load_task
from components.training.batching import training_batches, training_sequences
from components.training.optimizer import WarmupLinearDecay, adamw
from components.training.step import training_step
from components.training.trainer import build_model

# A benchmark reaches neither: it measures the steps between them.
_WARMUP_STEPS, _TOTAL_STEPS = 1_000, 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tensorflow_systems")
    parser.add_argument("system", choices=("project", "article"))
    parser.add_argument("--task", required=True)
    parser.add_argument("--schema", required=True)
    parser.add_argument("--records", required=True, help="a TFRecord file, gzip-compressed")
    parser.add_argument("--encoder", required=True, help="as Encoder.to_json writes it")
    parser.add_argument("--batch-size", required=True)
    parser.add_argument("--precision", default="float32")
    options = parser.parse_args()
    task = load_task(options.task).override({"batch_size": options.batch_size})
    encoder = from_json(Encoder, options.encoder)
    precision = choose(options.precision)
    raw = read_raw([options.records], options.schema)
    sequences = sequences_of(raw, task, encoder).cache()
    epoch_of = {"project": project_epoch, "article": article_epoch}[options.system]
    serve(
        {
            "train": epoch_of(sequences, task, encoder, precision),
            "tokenize": tokenizing([raw[name] for name in task.head.text_features], encoder),
            "peak": lambda: {"flops_per_second": peak(precision)},
        }
    )


def project_epoch(sequences: tf.data.Dataset, task, encoder: Encoder, precision: str):
    """Returns a function that trains one epoch as the Trainer does, and returns its facts."""
    hyperparameters, lengths = task.hyperparameters, lengths_of(sequences)
    batches = training_batches(sequences, len(lengths), hyperparameters, seed=0)
    model = build_model(build_head(task.head), encoder, hyperparameters)
    optimizer = adamw(WarmupLinearDecay(1e-5, _TOTAL_STEPS, _WARMUP_STEPS), 0.01, 1.0, 1.0)
    optimizer.build(model.trainable_variables)
    step = training_step(model, build_head(task.head), optimizer)
    epoch = iter(distribute(batches.repeat(), model.distribute_strategy))
    facts = facts_of(batches, lengths, model, precision)

    def train() -> dict:
        with rewritten_to(precision):
            losses = [step(epoch) for _ in range(facts["steps"])]
            float(losses[-1])  # waits for all of them
        return facts

    return train


def article_epoch(sequences: tf.data.Dataset, task, encoder: Encoder, precision: str):
    """Returns the same with Keras fit, every sequence padded to max_seq_length."""
    lengths = lengths_of(sequences)
    batches = padded_batches(sequences, len(lengths), task.hyperparameters)
    model = build_model(build_head(task.head), encoder, task.hyperparameters)
    model.compile(tf.keras.optimizers.AdamW(1e-5), loss=build_head(task.head).loss)
    epoch = iter(batches.repeat())
    facts = facts_of(batches, lengths, model, precision)

    def train() -> dict:
        with rewritten_to(precision):
            model.fit(epoch, steps_per_epoch=facts["steps"], verbose=0)
        return facts

    return train


def lengths_of(sequences: tf.data.Dataset) -> list[int]:
    return [inputs["input_word_ids"].shape[0] for inputs, _ in sequences]


def facts_of(
    batches: tf.data.Dataset, lengths: list[int], model: tf.keras.Model, precision: str
) -> dict:
    """Returns how much an epoch over the batches computes; `lengths` are the sequences' tokens."""
    padded = [inputs["input_word_ids"].shape for inputs, _ in batches]
    size = encoder_size(model)
    return {
        "precision": precision,
        "rows": len(lengths),
        "steps": len(padded),
        "tokens": sum(lengths),
        "padding_fraction": 1 - sum(lengths) / sum(size * length for size, length in padded),
        "flops": sum(encoder_flops(length, *size) for length in lengths),
    }


def tokenizing(texts: list[tf.Tensor], encoder: Encoder):
    """Returns a function that tokenizes all texts, and returns the numbers of texts and tokens."""
    tokenizer = Vocabulary(encoder.vocab_file, encoder.lower_case).tokenizer()
    # Passed as an argument: TensorFlow would tokenize a constant once and keep the result.
    tokenized = tf.function(lambda columns: [tokenizer.tokenize(c).flat_values for c in columns])
    return lambda: {
        "texts": sum(map(len, texts)),
        "tokens": sum(map(len, tokenized(texts))),
    }


def sequences_of(raw: dict, task, encoder: Encoder) -> tf.data.Dataset:
    """Returns the Trainer's sequences: (unpadded inputs of the encoder, target) each."""
    examples = examples_of(raw, task, encoder)
    vocabulary = Vocabulary(encoder.vocab_file, encoder.lower_case)
    return training_sequences(examples, build_head(task.head), vocabulary, task.hyperparameters)


def encoder_size(model: tf.keras.Model) -> tuple[int, int, int]:
    """Returns layers, hidden size and width of the feed-forward part, by the kernels' shapes."""
    kernels = [v for v in model.trainable_variables if "/intermediate/kernel" in v.name]
    return len(kernels), *kernels[0].shape


def padded_batches(sequences: tf.data.Dataset, count: int, hyperparameters) -> tf.data.Dataset:
    """Returns shuffled batches, each sequence padded to max_seq_length."""
    length = hyperparameters.max_seq_length

    def pad(inputs, target):
        ids = inputs["input_word_ids"]
        padding = [[0, length - tf.size(ids)]]
        return {
            "input_word_ids": tf.ensure_shape(tf.pad(ids, padding), [length]),
            "input_mask": tf.ensure_shape(tf.pad(tf.ones_like(ids), padding), [length]),
            "input_type_ids": tf.ensure_shape(tf.pad(inputs["input_type_ids"], padding), [length]),
        }, target

    shuffled = sequences.shuffle(count, seed=0).map(pad, num_parallel_calls=tf.data.AUTOTUNE)
    return shuffled.batch(hyperparameters.batch_size).prefetch(tf.data.AUTOTUNE)


def peak(precision: str) -> float:
    """Measures FLOP/s of square matrix products in this precision, the best of some."""
    dtype = tf.bfloat16 if precision == "bfloat16" else tf.float32
    matrix = tf.cast(tf.random.stateless_normal([2048, 2048], seed=[0, 0]), dtype)
    product = tf.function(lambda: tf.reduce_sum(tf.cast(tf.matmul(matrix, matrix), tf.float32)))
    return matmul_flops(2048, lambda: float(product()))


if __name__ == "__main__":
    main()
