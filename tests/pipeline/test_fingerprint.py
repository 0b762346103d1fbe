import shutil

import pytest

from pipeline import fingerprint
from tests.conftest import REPOSITORY


@pytest.fixture
def tree(tmp_path, monkeypatch):
    shutil.copytree(REPOSITORY / "components", tmp_path / "components")
    monkeypatch.setattr(fingerprint, "_ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("edited", "transform_changes", "trainer_changes"),
    [
        ("components/preprocessing/transform.py", True, False),
        ("components/models/bert/tokenizer.py", True, True),
        ("components/training/trainer.py", False, True),
        ("components/training/optimizer.py", False, True),
        ("components/training/export.py", False, True),
        ("components/common/errors.py", True, True),
        ("components/data/prepare.py", False, False),
        ("components/tasks/mrpc.py", False, False),
    ],
)
def test_code_hash_follows_imports(tree, edited, transform_changes, trainer_changes):
    def hashes():
        return [
            fingerprint.code_sha256(f"components.{m}")
            for m in ("preprocessing.transform", "training.trainer")
        ]

    before = hashes()
    path = tree / edited
    path.write_text(path.read_text() + "\n# edited\n")
    changed = [a != b for a, b in zip(before, hashes())]
    assert changed == [transform_changes, trainer_changes]
