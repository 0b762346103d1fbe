"""Asks a pushed MRPC version behind a real Triton server, and holds its answers to the model's own.

It needs an environment of its own, made with the distribution's python3.11 (Triton embeds that one):

    /usr/bin/python3.11 -m venv triton
    triton/bin/pip install nvidia-pytriton==0.7.0 tensorflow==2.16.2 tensorflow-text==2.16.1
    triton/bin/python tests/triton_server.py output/serving/mrpc/VERSION
"""

import sys

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the model's ops)
from pytriton.client import ModelClient
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

TEXTS = ("sentence1", "sentence2")
ROWS = [("He won .", "The win was his ."), ("", "🙂"), ("\ufffd", "word " * 1000)]


def main(version: str) -> None:
    signature = tf.saved_model.load(version).signatures["serving_default"]

    def ask(columns: list[np.ndarray]) -> dict[str, np.ndarray]:
        outputs = signature(**{n: tf.constant(column) for n, column in zip(TEXTS, columns)})
        return {"probabilities": outputs["probabilities"].numpy()}

    @batch
    def answer(**texts):
        return ask([texts[name][:, 0] for name in TEXTS])

    columns = [np.array([text.encode() for text in texts]) for texts in zip(*ROWS)]
    ports = TritonConfig(http_port=18000, grpc_port=18001, metrics_port=18002)
    with Triton(config=ports) as triton:
        triton.bind(
            "mrpc",
            answer,
            inputs=[Tensor(name=name, dtype=bytes, shape=(1,)) for name in TEXTS],
            outputs=[Tensor(name="probabilities", dtype=np.float32, shape=(2,))],
            config=ModelConfig(max_batch_size=64),
        )
        triton.run()
        with ModelClient("localhost:18000", "mrpc", init_timeout_s=120) as client:
            served = client.infer_batch(*(column[:, None] for column in columns))
    np.testing.assert_allclose(served["probabilities"], ask(columns)["probabilities"], atol=1e-5)
    print(f"Triton answers {len(ROWS)} rows as the model does")


if __name__ == "__main__":
    main(*sys.argv[1:])
