"""transformers' pipeline() and ONNX Runtime as workers that answer: see `benchmarks/worker.py`.

The folder holds what `benchmarks/serving.py` wrote of a pushed model: its weights by PyTorch's names,
its vocabulary, its settings, and the examples to answer.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertModel, BertPreTrainedModel, BertTokenizerFast, pipeline
from transformers.modeling_outputs import SequenceClassifierOutput

sys.path.append(str(Path(__file__).resolve().parents[2]))
from benchmarks.worker import serve, timed_batches


class PairModel(BertPreTrainedModel):
    """This project's head, `models/heads/sequence_classification.py`, on transformers' BERT."""

    def __init__(self, config):
        super().__init__(config)
        self.bert = BertModel(config)
        hidden = config.hidden_size
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(hidden, eps=1e-3) for _ in range(3))
        self.logits = torch.nn.Linear(3 * hidden, config.num_labels)
        self.post_init()

    def forward(self, input_ids, attention_mask, token_type_ids):
        states = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
        u = mean(states, attention_mask - token_type_ids)
        v = mean(states, token_type_ids)
        seen = (states[:, 0], (u - v).abs(), u * v)
        seen = torch.cat([norm(part) for norm, part in zip(self.norms, seen)], dim=-1)
        return SequenceClassifierOutput(logits=self.logits(seen))


def mean(states, chosen):
    weights = chosen.to(states.dtype)[:, :, None]
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1.0)


def load_model(folder):
    """The model with the weights of the folder, in float32; every one must find its place."""
    weights = dict(np.load(folder / "weights.npz"))
    vocabulary, hidden = weights["embeddings.word_embeddings.weight"].shape
    layers = {name.split(".")[2] for name in weights if name.startswith("encoder.layer.")}
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=len(layers),
        num_attention_heads=max(12, hidden // 64),  # another would show in the answers
        intermediate_size=weights["encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=len(weights["embeddings.position_embeddings.weight"]),
    )
    state = {}
    for name, value in weights.items():
        value = torch.from_numpy(value)
        if name.startswith("layer_normalization"):
            layer, leaf = name.split("/")
            place = int((layer.removeprefix("layer_normalization") or "_0")[1:])
            state[f"norms.{place}.{'weight' if leaf == 'gamma' else 'bias'}"] = value
        elif name.startswith("logits"):
            is_kernel = name.endswith("kernel")
            state[f"logits.{'weight' if is_kernel else 'bias'}"] = value.T if is_kernel else value
        elif not name.startswith("dropout"):
            state[f"bert.{name}"] = value
    model = PairModel(config)
    model.load_state_dict(state)
    return model.eval()


def load_tokenizer(folder, settings):
    return BertTokenizerFast(
        vocab=str(folder / "vocab.txt"),
        do_lower_case=settings["lower_case"],
        model_max_length=settings["max_length"],
    )


def by_pipeline(folder, threads):
    """How transformers' documentation answers pairs."""
    torch.set_num_threads(threads)
    settings = json.loads((folder / "settings.json").read_text())
    classify = pipeline(
        "text-classification", model=load_model(folder), tokenizer=load_tokenizer(folder, settings)
    )

    def answer(examples):
        pairs = [{"text": first, "text_pair": second} for first, second in examples]
        answers = classify(pairs, batch_size=len(pairs), top_k=None, truncation=True)
        return [
            [one["score"] for one in sorted(scores, key=lambda r: r["label"])] for scores in answers
        ]

    return answer


def by_onnxruntime(folder, threads):
    """Exported by PyTorch; attention, GELU and normalization are fused by ONNX Runtime's optimizer."""
    import onnxruntime
    from onnxruntime.transformers import optimizer

    settings = json.loads((folder / "settings.json").read_text())
    tokenizer, model = load_tokenizer(folder, settings), load_model(folder)
    model.config._attn_implementation = "eager"  # what the optimizer knows
    example = dict(tokenizer([("a b", "c")] * 2, return_tensors="pt"))
    names = list(example)
    plain, fused = str(folder / "plain.onnx"), str(folder / "fused.onnx")
    torch.onnx.export(
        model,
        tuple(example[name] for name in ("input_ids", "attention_mask", "token_type_ids")),
        plain,
        input_names=["input_ids", "attention_mask", "token_type_ids"],
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "length"} for name in names},
        dynamo=False,
    )
    made = optimizer.optimize_model(
        plain,
        model_type="bert",
        num_heads=model.config.num_attention_heads,
        hidden_size=model.config.hidden_size,
        opt_level=1,
    )
    print(made.get_fused_operator_statistics(), file=sys.stderr)
    made.save_model_to_file(fused)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(fused, options, providers=["CPUExecutionProvider"])

    def answer(examples):
        inputs = tokenizer(examples, truncation=True, padding=True, return_tensors="np")
        (logits,) = session.run(["logits"], {name: inputs[name] for name in names})
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).tolist()

    return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=("pipeline", "onnxruntime"))
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    system = {"pipeline": by_pipeline, "onnxruntime": by_onnxruntime}[args.system]
    examples = json.loads((args.folder / "examples.json").read_text())
    serve(timed_batches(system(args.folder, args.threads), examples))


if __name__ == "__main__":
    main()
