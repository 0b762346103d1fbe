"""Private names of other libraries: each stands in one module, and the installed version has it.

A release that takes one away fails here, by its name.
"""

import argparse
import ast

import apache_beam.options.pipeline_options as beam_options
import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from tfx.components.pusher import executor as tfx_pusher

from tests.conftest import REPOSITORY

# Module -> library -> its private names that the module calls, reads or overrides.
USED = {
    "components/models/bert/tokenizer.py": {
        "tf.text": {"_fast_wordpiece_tokenizer", "_fast_bert_normalizer", "_model"}
    },
    "components/serving/pusher.py": {"TFX": {"_MarkPushed", "_MarkNotPushed", "_context"}},
    "components/training/optimizer.py": {
        "Keras": {
            *("_clip_gradients", "_apply_weight_decay", "_deduplicate_sparse_grad"),
            *("_index_dict", "_var_key", "_use_weight_decay", "_momentums", "_velocities"),
        }
    },
    "pipeline/beam.py": {"Beam": {"_add_argparse_args"}, "argparse": {"_option_string_actions"}},
}
# Documented, for all their underscore.
PUBLIC = {"_asdict", "_exit"}


def owners(library: str) -> list:
    """Objects of the installed library, each of which has to have some of the names."""
    if library == "tf.text":
        made = tf_text.FastBertTokenizer(vocab=["[UNK]", "a"], token_out_type=tf.int32)
        return [made, made._fast_wordpiece_tokenizer, made._fast_bert_normalizer]
    if library == "Keras":
        optimizer = tf.keras.optimizers.AdamW(1e-3)
        optimizer.build([tf.Variable(1.0)])
        return [optimizer]
    if library == "TFX":
        return [tfx_pusher.Executor()]
    return [beam_options.PipelineOptions] if library == "Beam" else [argparse.ArgumentParser()]


@pytest.mark.parametrize(
    ("library", "name"),
    [
        (library, name)
        for libraries in USED.values()
        for library, names in libraries.items()
        for name in sorted(names)
    ],
)
def test_the_installed_library_has_it(library, name):
    assert any(hasattr(owner, name) for owner in owners(library))


def test_both_models_of_tf_text_are_bytes():
    _, *parts = owners("tf.text")
    assert [part._model.dtype for part in parts] == [tf.uint8, tf.uint8]


def test_each_library_s_names_stand_in_one_module():
    libraries = [library for libraries in USED.values() for library in libraries]
    assert len(libraries) == len(set(libraries))
    packages = (REPOSITORY / top for top in ("components", "pipeline"))
    sources = (path for package in packages for path in package.rglob("*.py"))
    for path in (*sources, *REPOSITORY.glob("*.py")):
        module = path.relative_to(REPOSITORY).as_posix()
        known = set().union(*USED.get(module, {}).values())
        foreign = _foreign(path.read_text()) - PUBLIC
        assert foreign <= known, f"{module} uses {foreign - known}, which it does not define"


def test_every_name_that_is_listed_is_used():
    for module, libraries in USED.items():
        source = (REPOSITORY / module).read_text()
        for name in set().union(*libraries.values()):
            assert name in source, f"{module} has no {name} any more"


def _foreign(source: str) -> set[str]:
    """The private attributes that a module reads and nowhere defines or sets."""
    nodes = list(ast.walk(ast.parse(source)))
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    defined |= {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return {name for name in read - defined if name[0] == "_" and name[:2] != "__"}
