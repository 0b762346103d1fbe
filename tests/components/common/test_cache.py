import pytest

from components.common.cache import cache_directory


def test_the_environment_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "bert-tfx-pipeline"


@pytest.mark.parametrize("is_set", [True, False])
def test_else_it_is_in_the_home(tmp_path, monkeypatch, is_set):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    if not is_set:
        monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_directory() == tmp_path / ".cache" / "bert-tfx-pipeline"
