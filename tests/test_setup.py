"""What setup.py packs: Beam's workers and the container have nothing else of the project."""

import pathlib
import shutil
import subprocess
import sys
import zipfile

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

PACKAGES = ("components", "pipeline", "schema")
MODULES = ("airflow_dag.py", "kubeflow_runner.py", "local_runner.py")


def test_the_wheel_has_every_module_and_schema(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    # A copy: setuptools leaves its build folder in the source.
    source = tmp_path / "source"
    for folder in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / folder, source / folder, ignore=ignored)
    for name in (*MODULES, "setup.py", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, source)
    subprocess.run([*build, f"--wheel-dir={tmp_path}", str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = (path for folder in PACKAGES for path in (source / folder).rglob("*") if path.is_file())
    expected = {*MODULES, *(path.relative_to(source).as_posix() for path in files)}
    assert len(expected) > 60 and expected <= packed
    assert not [name for name in packed if name.startswith(("tests", "benchmarks"))]
