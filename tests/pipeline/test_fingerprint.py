"""Each stage runs anew after an edit of what its code does, and after no other edit."""

import ast
import json
import shutil

import pytest

from components.common import code_hash
from components.spec.encoder import Encoder
from components.spec.registry import load_task
from pipeline.config import PipelineConfig
from pipeline.eval_config import eval_config
from pipeline.fingerprint import stage_code
from pipeline.pipeline import create_pipeline
from tests.conftest import REPOSITORY

MRPC, SQUAD = load_task("mrpc"), load_task("squad")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    shutil.copytree(REPOSITORY / "components", tmp_path / "components")
    monkeypatch.setattr(code_hash, "_ROOT", tmp_path)
    return tmp_path


def hashes() -> dict[str, str | dict]:
    """What the cache key of each stage holds of its code; the Evaluator's by metric."""
    return {
        **{stage: stage_code(stage) for stage in ("DataGate", "DriftGate", "ServingCheck")},
        **{
            f"{stage} {task.name}": stage_code(stage, task.head)
            for stage in ("Transform", "Trainer")
            for task in (MRPC, SQUAD)
        },
        **{
            f"Evaluator {task.name}": {
                config["name"]: config["code"]
                for spec in eval_config(task).metrics_specs
                for config in (json.loads(metric.config) for metric in spec.metrics)
                if "code" in config
            }
            for task in (MRPC, SQUAD)
        },
    }


def changed(before: dict) -> set[str]:
    after = hashes()
    return {stage for stage in before if before[stage] != after[stage]}


def edit(path, old: str, new: str) -> None:
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new, 1))


BOTH_TRANSFORMS = {"Transform mrpc", "Transform squad"}
BOTH_TRAINERS = {"Trainer mrpc", "Trainer squad"}
BOTH_EVALUATORS = {"Evaluator mrpc", "Evaluator squad"}


def test_each_stage_of_the_pipeline_is_told_its_own_hash(tmp_path):
    encoder = Encoder("e", "/e", "0", "/e/vocab.txt", True, hidden_size=16, max_positions=128)
    root = str(tmp_path)
    config = PipelineConfig(MRPC, encoder, data=root, root=root, schema_file="schema/mrpc.pbtxt")
    told = {}
    for node in create_pipeline(config).components:
        parameters = getattr(node, "exec_properties", {})
        custom = json.loads(parameters.get("custom_config") or "{}")
        if code := parameters.get("code") or custom.get("code"):
            told[node.id] = code
    plain = {stage: stage_code(stage) for stage in ("DataGate", "DriftGate", "ServingCheck")}
    headed = {stage: stage_code(stage, MRPC.head) for stage in ("Transform", "Trainer")}
    assert told == plain | headed


@pytest.mark.parametrize(
    ("edited", "stages"),
    [
        ("preprocessing/transform.py", BOTH_TRANSFORMS),
        ("models/bert/tokenizer.py", BOTH_TRANSFORMS | BOTH_TRAINERS),
        ("training/trainer.py", BOTH_TRAINERS),
        ("training/optimizer.py", BOTH_TRAINERS),
        ("training/export.py", BOTH_TRAINERS),
        ("data/prepare.py", set()),
        ("data/data_gate.py", {"DataGate"}),
        ("data/drift_gate.py", {"DriftGate"}),
        ("tasks/mrpc.py", set()),
        # It reads what the Evaluator wrote, with these metrics.
        ("evaluation/paired.py", BOTH_EVALUATORS | {"ServingCheck"}),
        ("evaluation/slices.py", BOTH_EVALUATORS),
        ("serving/model_card.py", {"ServingCheck"}),
        ("serving/serving_check_worker.py", {"ServingCheck"}),
        ("serving/pusher.py", set()),
    ],
)
def test_a_statement_more_runs_the_stages_that_reach_it(tree, edited, stages):
    before = hashes()
    path = tree / "components" / edited
    path.write_text(path.read_text() + "\n_EDITED = 1\n")
    assert changed(before) == stages


def test_a_constant_of_a_head_runs_what_that_head_is_in(tree):
    before = hashes()
    edit(tree / "components/models/heads/sequence_classification.py", "axis=-1", "axis=1")
    assert changed(before) == {"Transform mrpc", "Trainer mrpc"}


def test_a_constant_of_a_metric_runs_the_evaluators_that_judge_by_it(tree):
    before = hashes()
    edit(tree / "components/evaluation/metrics/span_extraction.py", "2 *", "3 *")
    assert changed(before) == {"Evaluator squad"}


def test_a_constant_of_a_layer_runs_the_stages_that_have_a_head(tree):
    before = hashes()
    edit(tree / "components/models/bert/layers.py", "0.5 + 0.5", "0.5 + 0.25")
    assert changed(before) == BOTH_TRANSFORMS | BOTH_TRAINERS  # Heads are made of layers.


def test_docstrings_comments_and_formatting_run_nothing(tree):
    before = hashes()
    for path in (tree / "components").rglob("*.py"):
        path.write_text(f"# Edited.\n{reformatted(path.read_text())}\n\n# Edited.\n")
    assert changed(before) == set()


def reformatted(source: str) -> str:
    """The same statements as Python itself would write them, under other docstrings or none."""
    module = ast.parse(source)
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if ast.get_docstring(node) is None:
                node.body.insert(0, ast.Expr(ast.Constant("Edited.")))
            elif len(node.body) > 1:
                del node.body[0]
    return ast.unparse(ast.fix_missing_locations(module))


def test_a_name_from_a_package_brings_no_other_module_of_it(tree):
    package = tree / "components" / "numbers"
    package.mkdir()
    (package / "__init__.py").write_text('"""Numbers."""\n')
    (package / "one.py").write_text("ONE = 1\n")
    (package / "two.py").write_text("TWO = 2\n")
    user = tree / "components" / "user.py"
    user.write_text("def count():\n    from components.numbers import one\n\n    return one.ONE\n")
    before = code_hash.code_sha256("components.user")
    (package / "two.py").write_text("TWO = 3\n")
    (package / "__init__.py").write_text('"""Numbers from one to two."""\n')
    assert code_hash.code_sha256("components.user") == before
    (package / "__init__.py").write_text("ZERO = 0\n")
    with_another_package = code_hash.code_sha256("components.user")
    assert with_another_package != before
    (package / "one.py").write_text("ONE = 1.0\n")
    assert code_hash.code_sha256("components.user") not in (before, with_another_package)


def test_a_relative_import_is_refused(tree):
    (tree / "components" / "user.py").write_text("from . import common\n")
    with pytest.raises(ValueError, match=r"line 1: .*import .*full name"):
        code_hash.code_sha256("components.user")
