"""Converted checkpoints against BERT in NumPy, written from the paper and Hugging Face's names."""

import json
import math
import os
import pathlib

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
import tensorflow_hub
import tensorflow_text as tf_text

from components.common.errors import InputError
from components.models.bert import checkpoint_tokenizer, hub
from components.models.bert.convert import convert
from pipeline.cli.main import main
from tests.tiny_encoder import tiny_vocabulary

VOCABULARY = tiny_vocabulary(["paris", "london"])
CONFIG = {
    "model_type": "bert",
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}
LAYER_PARTS = {
    "attention.self.query": (16, 16),
    "attention.self.key": (16, 16),
    "attention.self.value": (16, 16),
    "attention.output.dense": (16, 16),
    "attention.output.LayerNorm": (16,),
    "intermediate.dense": (32, 16),
    "output.dense": (16, 32),
    "output.LayerNorm": (16,),
}


def tiny_tensors(seed: int = 0) -> dict[str, np.ndarray]:
    """A checkpoint's tensors, random."""
    shapes = {
        "embeddings.word_embeddings": (len(VOCABULARY), 16),
        "embeddings.position_embeddings": (64, 16),
        "embeddings.token_type_embeddings": (2, 16),
        "embeddings.LayerNorm": (16,),
        "pooler.dense": (16, 16),
    }
    for layer in range(2):
        shapes.update({f"encoder.layer.{layer}.{part}": s for part, s in LAYER_PARTS.items()})
    rng, tensors = np.random.default_rng(seed), {}
    for name, shape in shapes.items():
        tensors[f"{name}.weight"] = rng.normal(0.0, 0.3, shape).astype(np.float32)
        if not name.endswith("_embeddings"):
            tensors[f"{name}.bias"] = rng.normal(0.0, 0.3, shape[0]).astype(np.float32)
    return tensors


def write_checkpoint(
    folder: pathlib.Path,
    tensors: dict[str, np.ndarray] | None = None,
    vocabulary: list[str] | None = VOCABULARY,
    tokenizer_config: dict | None = None,
    files: dict[str, dict] | None = None,
    **config,
) -> str:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    if tensors is None:
        tensors = tiny_tensors()
    safetensors.numpy.save_file(tensors, folder / "model.safetensors")
    if vocabulary is not None:
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    if tokenizer_config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    for name, content in (files or {}).items():
        (folder / name).write_text(json.dumps(content))
    return str(folder)


def reference(tensors, config, ids, types) -> tuple[np.ndarray, np.ndarray]:
    """BERT on one sequence without padding, one head at a time, in float64.

    Args:
      tensors: by Hugging Face's names.
      config: config.json.
      ids: tokens [T].
      types: segments [T].

    Returns:
      sequence_output [T, hidden] and pooled_output [hidden].
    """
    erf = np.vectorize(math.erf)

    def dense(name, x):
        return x @ tensors[f"{name}.weight"].astype(np.float64).T + tensors[f"{name}.bias"]

    def layer_norm(name, x):
        centered = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centered**2).mean(-1, keepdims=True) + config["layer_norm_eps"])
        return tensors[f"{name}.weight"] * centered / deviation + tensors[f"{name}.bias"]

    def embedding(name):
        return tensors[f"embeddings.{name}.weight"].astype(np.float64)

    x = embedding("word_embeddings")[ids] + embedding("token_type_embeddings")[types]
    x = layer_norm("embeddings.LayerNorm", x + embedding("position_embeddings")[: len(ids)])
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        q, k, v = (dense(f"{layer}.attention.self.{n}", x) for n in ("query", "key", "value"))
        heads, size = [], x.shape[1] // config["num_attention_heads"]
        for start in range(0, x.shape[1], size):
            head = slice(start, start + size)
            weights = np.exp(q[:, head] @ k[:, head].T / math.sqrt(size))
            heads.append(weights / weights.sum(-1, keepdims=True) @ v[:, head])
        attended = dense(f"{layer}.attention.output.dense", np.concatenate(heads, -1))
        x = layer_norm(f"{layer}.attention.output.LayerNorm", x + attended)
        inner = dense(f"{layer}.intermediate.dense", x)
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = layer_norm(f"{layer}.output.LayerNorm", x + dense(f"{layer}.output.dense", inner))
    return x, np.tanh(dense("pooler.dense", x[0]))


def assert_equals_reference(path, tensors, config, rows, tolerance=1e-4):
    """Every sequence of `rows` (ids, types) alone and padded to the longest one."""
    model = tensorflow_hub.load(path)
    longest = max(len(ids) for ids, _ in rows)
    padded = np.zeros([3, len(rows), longest], np.int32)
    for number, (ids, types) in enumerate(rows):
        padded[:, number, : len(ids)] = ids, np.ones_like(ids), types
    names = ("input_word_ids", "input_mask", "input_type_ids")
    together = model({n: tf.constant(p) for n, p in zip(names, padded, strict=True)})
    for number, (ids, types) in enumerate(rows):
        row = (ids, np.ones_like(ids), types)
        alone = model({n: tf.constant([p], tf.int32) for n, p in zip(names, row, strict=True)})
        sequence, pooled = reference(tensors, config, ids, types)
        for outputs, index in ((alone, 0), (together, number)):
            ours = outputs["sequence_output"][index, : len(ids)]
            np.testing.assert_allclose(ours, sequence, atol=tolerance)
            np.testing.assert_allclose(outputs["pooled_output"][index], pooled, atol=tolerance)


ROWS = [
    (np.array([2, 40, 41, 3, 107, 3]), np.array([0, 0, 0, 0, 1, 1])),
    (np.array([2, 50, 3]), np.array([0, 0, 0])),
]


def test_tiny_checkpoint_equals_reference(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "in")
    conversion = convert(checkpoint, str(tmp_path / "out"))
    assert conversion.notes == ()
    assert sorted(os.listdir(tmp_path)) == ["in", "out"]
    assert_equals_reference(conversion.path, tiny_tensors(), CONFIG, ROWS)


def as_masked_language_model(tensors):
    """As BertForMaskedLM is saved: a prefix, a head, and no pooler; old names, half precision."""
    renamed = {
        f"bert.{name}".replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): value
        for name, value in tensors.items()
        if not name.startswith("pooler.")
    }
    renamed["cls.predictions.bias"] = np.zeros(len(VOCABULARY), np.float32)
    return {name: value.astype(np.float16) for name, value in renamed.items()}


def test_masked_language_model_in_half_precision_and_shards(tmp_path):
    tensors = as_masked_language_model(tiny_tensors())
    checkpoint = pathlib.Path(write_checkpoint(tmp_path / "in", tensors, hidden_act="gelu"))
    (checkpoint / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = {"model-1-of-2.safetensors": names[::2], "model-2-of-2.safetensors": names[1::2]}
    for shard, its_names in shards.items():
        safetensors.numpy.save_file({n: tensors[n] for n in its_names}, checkpoint / shard)
    weight_map = {name: shard for shard, its_names in shards.items() for name in its_names}
    index = checkpoint / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    conversion = convert(str(checkpoint), str(tmp_path / "out"))
    assert len(conversion.notes) == 1 and "pooler" in conversion.notes[0]
    model = tensorflow_hub.load(conversion.path)
    pooler = {v.name: v.numpy() for v in model.variables if "pooler" in v.name}
    assert 0.01 < pooler["pooler_transform/kernel:0"].std() < 0.02
    rounded = {n: v.astype(np.float16).astype(np.float32) for n, v in tiny_tensors().items()}
    rounded["pooler.dense.weight"] = pooler["pooler_transform/kernel:0"].T
    rounded["pooler.dense.bias"] = pooler["pooler_transform/bias:0"]
    assert_equals_reference(conversion.path, rounded, CONFIG, ROWS)


@pytest.fixture(scope="module")
def minilm():
    return hub.resolve("minilm-l6")


SENTENCES = [
    "Paris is the capital of France.",
    "The committee, which had met only twice since January, rejected the $1.5 billion offer.",
    "Yes",
]


def tokenized(encoder: hub.Encoder, sentences) -> list[np.ndarray]:
    with open(encoder.vocab_file, encoding="utf-8") as file:
        vocabulary = file.read().splitlines()
    tokenizer = tf_text.FastBertTokenizer(
        vocabulary, token_out_type=tf.int32, lower_case_nfd_strip_accents=encoder.lower_case
    )
    start, end = vocabulary.index("[CLS]"), vocabulary.index("[SEP]")
    return [np.array([start, *ids, end]) for ids in tokenizer.tokenize(sentences).to_list()]


def huggingface_tensors(variables) -> dict[str, np.ndarray]:
    """Reads the tensors back out of a SavedModel, by a mapping of its own."""
    tensors = {}
    for variable in variables:
        name, value = variable.name.removesuffix(":0"), variable.numpy()
        for ours, theirs in (
            ("transformer/layer_", "encoder/layer/"),
            ("self_attention_layer_norm", "attention/output/LayerNorm"),
            ("/output_layer_norm", "/output/LayerNorm"),
            ("self_attention/attention_output", "attention/output/dense"),
            ("/intermediate", "/intermediate/dense"),
            ("/output/kernel", "/output/dense/kernel"),
            ("/output/bias", "/output/dense/bias"),
            ("dense/dense", "dense"),
            ("layer_norm", "LayerNorm"),
            ("word_embeddings", "embeddings/word_embeddings"),
            ("position_embedding/", "embeddings/position_embeddings/"),
            ("type_embeddings", "embeddings/token_type_embeddings"),
            ("pooler_transform", "pooler/dense"),
        ):
            name = name.replace(ours, theirs)
        part, leaf = name.replace("/", ".").rsplit(".", 1)
        value = value.T if leaf == "kernel" else value
        leaf = "bias" if leaf in ("bias", "beta") else "weight"
        if "query_key_value" in part:
            for third, value_of_third in zip(
                ("query", "key", "value"), np.split(value, 3), strict=True
            ):
                tensors[
                    part.replace("self_attention.query_key_value", f"attention.self.{third}.{leaf}")
                ] = value_of_third
        else:
            tensors[f"{part}.{leaf}"] = value
    return tensors


@pytest.mark.full
def test_minilm_equals_reference(minilm):
    tensors = huggingface_tensors(tensorflow_hub.load(minilm.path).variables)
    config = {**CONFIG, "num_hidden_layers": 6, "num_attention_heads": 12}
    first, second, third = tokenized(minilm, SENTENCES)
    pair = np.concatenate([first, second[1:]])
    rows = [
        (first, np.zeros_like(first)),
        (pair, (np.arange(len(pair)) >= len(first)).astype(np.int32)),
        (third, np.zeros_like(third)),
    ]
    assert_equals_reference(minilm.path, tensors, config, rows)


def test_minilm_gives_the_published_similarities(minilm):
    """Weights, vocabulary and network together, against what PyTorch gave Hugging Face.

    The figures are the example output on the page of the model's inference API.
    """
    sentences = [
        "That is a happy person",
        "That is a happy dog",
        "That is a very happy person",
        "Today is a sunny day",
    ]
    ids = tf.ragged.constant(tokenized(minilm, sentences), dtype=tf.int32)
    mask = tf.sequence_mask(ids.row_lengths(), dtype=tf.int32)
    words = ids.to_tensor()
    outputs = tensorflow_hub.load(minilm.path)(
        {"input_word_ids": words, "input_mask": mask, "input_type_ids": tf.zeros_like(words)}
    )
    weights = tf.cast(mask, tf.float32)[:, :, None]
    mean = tf.reduce_sum(outputs["sequence_output"] * weights, 1) / tf.reduce_sum(weights, 1)
    units = tf.linalg.l2_normalize(mean, axis=1)
    similarities = tf.linalg.matvec(units[1:], units[0])
    np.testing.assert_allclose(similarities, [0.6945773, 0.9429150, 0.2568760], atol=1e-4)


@pytest.mark.parametrize(
    ("tokenizer_config", "tokenizer", "pieces", "expected"),
    [
        ({"do_lower_case": False}, {"normalizer": {"lowercase": True}}, ["a"], False),
        ({"do_lower_case": True}, None, ["A"], True),
        ({}, {"normalizer": {"lowercase": True}}, ["A"], True),
        (None, {"normalizer": {"lowercase": False}}, ["a"], False),
        (None, None, ["A"], False),
        (None, None, ["a", "[USED]"], True),
    ],
)
def test_casing(tokenizer_config, tokenizer, pieces, expected):
    found = checkpoint_tokenizer.read_lower_case(tokenizer_config or {}, tokenizer or {}, pieces)
    assert found == expected


def test_vocabulary_from_tokenizer_json(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "in", vocabulary=None)
    model = {"type": "WordPiece", "vocab": {p: i for i, p in enumerate(VOCABULARY)}}
    (tmp_path / "in" / "tokenizer.json").write_text(json.dumps({"model": model}))
    path = convert(checkpoint, str(tmp_path / "out")).path
    written = pathlib.Path(path, "assets", "vocab.txt").read_text(encoding="utf-8")
    assert written.splitlines() == VOCABULARY


def without(name):
    return {n: tensor for n, tensor in tiny_tensors().items() if n != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "roberta"}, r"config\.json: model_type .*'roberta'.*'bert'"),
        ({"model_type": None}, r"config\.json: model_type .*None.*\"model_type\": \"bert\""),
        (
            {"tensors": tiny_tensors() | {"pooler.dense.bias": np.full(16, np.nan, np.float32)}},
            r"pooler\.dense\.bias .*NaN",
        ),
        ({"tokenizer_config": {"strip_accents": False}}, r"tokenizer_config\.json: strip_accents"),
        ({"tokenizer_config": {"tokenize_chinese_chars": False}}, "tokenize_chinese_chars"),
        ({"tokenizer_config": {"do_basic_tokenize": False}}, "do_basic_tokenize"),
        ({"tokenizer_config": {"tokenizer_class": "BertJapaneseTokenizer"}}, "BertJapanese"),
        ({"tokenizer_config": {"unk_token": "<unk>"}}, "unk_token.*<unk>"),
        (
            {"tokenizer_config": {"added_tokens_decoder": {"9": {"content": "<user>"}}}},
            "added_tokens_decoder.*<user>",
        ),
        ({"files": {"added_tokens.json": {"<ent>": 5}}}, r"added_tokens\.json: .*<ent>"),
        (
            {"files": {"tokenizer.json": {"added_tokens": [{"content": "<ent>"}]}}},
            r"tokenizer\.json: .*<ent>",
        ),
        ({"files": {"tokenizer.json": {"pre_tokenizer": {"type": "ByteLevel"}}}}, "ByteLevel"),
        (
            {"files": {"tokenizer.json": {"normalizer": {"strip_accents": False}}}},
            r"tokenizer\.json: strip_accents",
        ),
        ({"files": {"tokenizer.json": {"model": {"unk_token": "<u>"}}}}, "unk_token.*<u>"),
        ({"vocabulary": [*VOCABULARY[:-1], "[SEP]"]}, r"vocab\.txt:111: '\[SEP\]' .*line \d\b"),
        ({"vocabulary": [*VOCABULARY[:-1], ""]}, r"vocab\.txt:111: ''"),
        ({"vocabulary": [*VOCABULARY[:-1], "##"]}, r"vocab\.txt:111: '##'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type.*'relative_key'"),
        ({"hidden_act": "swish"}, r"config\.json: hidden_act .*'swish'"),
        (
            {"tensors": without("encoder.layer.1.output.dense.bias")},
            r"layer\.1\.output\.dense\.bias .*missing",
        ),
        ({"intermediate_size": 64}, r"intermediate\.dense\.weight .*\[32, 16\].*\[64, 16\]"),
        ({"num_hidden_layers": 1}, r"safetensors .* 2 layers.*config\.json.* 1\b"),
        ({"vocabulary": None}, r"neither vocab\.txt.*tokenizer\.json"),
        ({"vocabulary": VOCABULARY[1:]}, r"vocab\.txt: .*no \[PAD\]"),
        ({"vocabulary": [*VOCABULARY, "more"]}, r"in: .* 112 .*vocab_size=111\b"),
    ],
)
def test_what_cannot_be_converted_is_said(tmp_path, change, message):
    checkpoint = write_checkpoint(tmp_path / "in", **change)
    with pytest.raises(InputError, match=message):
        convert(checkpoint, str(tmp_path / "out"))
    assert os.listdir(tmp_path) == ["in"]


def test_pytorch_pickles_are_refused_with_the_way_out(tmp_path):
    checkpoint = pathlib.Path(write_checkpoint(tmp_path / "in"))
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    with pytest.raises(InputError, match="safe_serialization=True"):
        convert(str(checkpoint), str(tmp_path / "out"))


def test_a_broken_download_is_said(tmp_path):
    checkpoint = pathlib.Path(write_checkpoint(tmp_path / "in"))
    whole = (checkpoint / "model.safetensors").read_bytes()
    (checkpoint / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"model\.safetensors .*Download"):
        convert(str(checkpoint), str(tmp_path / "out"))


def test_an_output_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    with pytest.raises(InputError, match=f"{tmp_path}/out exists"):
        convert(write_checkpoint(tmp_path / "in"), str(tmp_path / "out"))
    assert os.listdir(tmp_path / "out") == ["precious"]


def test_command_line(tmp_path, capsys):
    checkpoint = write_checkpoint(tmp_path / "in", tokenizer_config={"do_lower_case": False})
    assert main(["convert", checkpoint, str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["path"] == str(tmp_path / "out") and printed["lower_case"] is False
    assert main(["convert", checkpoint, str(tmp_path / "out")]) == 2
    assert f"{tmp_path}/out exists" in capsys.readouterr().err
