"""How much memory training takes, estimated before it begins.

    weights, AdamW's two moments, gradients           16 bytes a parameter, 20 where they are summed up
    what a forward pass keeps for the backward one    4 (10 H + 5 I + 2.25 N T) bytes a token and layer

H is the hidden size, I the width inside the feed-forward part, N the attention heads, T the tokens
of a sequence. The second line counts the tensors of `models/bert/network.py` and was compared with the
memory of a process that trains MiniLM-L6 in float32 on a CPU: 16 to 64 sequences of 64 to 384 tokens,
within 3 %. It leaves out TensorFlow itself and the input, under 1 GB on a CPU; what 16-bit products
save; and what other encoders keep beyond that.
"""

import logging
import pathlib
import re
import subprocess

import tensorflow as tf

from components.spec.hyperparameters import Hyperparameters

progress = logging.getLogger("progress")


def training_bytes(variables: list, sequences: int, length: int, summed: bool = False) -> int:
    """Estimates the bytes that training takes on one device; 0 where the layers are unknown.

    Args:
      variables: all that are trained, named as in TF Hub's BERT encoders.
      sequences: how many at a time.
      length: tokens of the longest sequence.
      summed: whether the gradients of several parts of a batch are summed up.
    """
    inner = [v.shape for v in variables if "/intermediate/kernel" in v.name]
    if not inner:
        return 0
    hidden, width = inner[0]
    heads = hidden // (32 if hidden == 384 else 64)  # of all published BERTs; no variable shows it
    kept = 4 * (10 * hidden + 5 * width + 2.25 * heads * length) * len(inner)
    parameters = sum(v.shape.num_elements() for v in variables)
    return int((20 if summed else 16) * parameters + kept * sequences * length)


def free_bytes() -> int:
    """Returns the free bytes of the fullest GPU, or of this machine; 0 where they are unknown."""
    if tf.config.list_physical_devices("GPU"):
        command = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
        try:
            asked = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return 0
        return min(map(int, asked.stdout.split()), default=0) << 20
    told = pathlib.Path("/proc/meminfo")
    found = re.search(r"MemAvailable: +(\d+) kB", told.read_text()) if told.exists() else None
    return int(found[1]) << 10 if found else 0


def advise(model: tf.keras.Model, hyperparameters: Hyperparameters, free: int) -> None:
    """Logs how many of the `free` bytes training takes, and what to pass where they are not enough."""
    replicas = model.distribute_strategy.num_replicas_in_sync
    batch_size, length = hyperparameters.batch_size, hyperparameters.max_seq_length

    def needed(parts: int) -> int:
        sequences = -(-batch_size // (replicas * parts))
        return training_bytes(model.trainable_variables, sequences, length, parts > 1)

    asked = needed(hyperparameters.gradient_accumulation_steps)
    if not asked or not free:
        return
    estimate = f"training takes about {asked / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
    if asked <= free:
        progress.info(estimate)
        return
    fitting = next((n for n in range(2, batch_size + 1) if needed(n) <= free), None)
    remedy = (
        f"Pass --set gradient_accumulation_steps={fitting}"
        if fitting
        else "Pass a lower --set max_seq_length="
    )
    progress.warning(
        f"{estimate}, for {batch_size} sequences of {length} tokens a step. {remedy}; or go on and see, "
        "since this is an estimate."
    )
