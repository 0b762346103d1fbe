"""Kubeflow: the command line, the image, and the sample run through the compiled file."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest
import yaml
from dockerfile_parse import DockerfileParser

import kubeflow_runner
from components.serving.versions import newest
from pipeline.orchestrators.cluster import IMAGE_CACHE
from pipeline.runs.record import read_record, record_file
from tests import kfp_executor
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.full


def steps(instruction: str) -> list[list[str]]:
    """The words of each such step of the Dockerfile."""
    parsed = DockerfileParser(fileobj=(REPOSITORY / "Dockerfile").open("rb")).structure
    return [step["value"].split() for step in parsed if step["instruction"] == instruction]


COPIED = {source: target for *_, source, target in steps("COPY")}
LENIENT = (
    "epochs=1",
    *("min_accuracy=0.1", "min_f1=0", "min_auc=0"),
    *("max_accuracy_drop=1", "max_f1_drop=1", "max_auc_drop=1"),
)


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> pathlib.Path:
    """The working directory of the image: what the Dockerfile copies, and nothing else."""
    folder = tmp_path_factory.mktemp("image")
    for source, target in COPIED.items():
        if (REPOSITORY / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(
                REPOSITORY / source, folder / target, ignore=ignored, dirs_exist_ok=True
            )
        else:
            (folder / target).parent.mkdir(exist_ok=True)
            shutil.copy(REPOSITORY / source, folder / target)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("kubeflow")


@pytest.fixture(scope="module")
def ran(project, tiny_encoder, image, root) -> dict[str, kfp_executor.Task]:
    """The sample, compiled by the command line with another data folder, and run."""
    sets = [part for setting in LENIENT for part in ("--set", setting)]
    compiled = subprocess.run(
        [
            *(sys.executable, "kubeflow_runner.py", "--task", "mrpc", "--target", "kfp"),
            *("--image", "example.org/bert:1", "--root", str(root), "--data", "/nowhere"),
            *("--encoder", tiny_encoder, "--output", str(root / "mrpc.yaml"), *sets),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert compiled.returncode == 0, compiled.stderr
    assert compiled.stderr == ""
    return kfp_executor.run(
        root / "mrpc.yaml", root / "logs", image, data=str(project.root / "data")
    )


def test_every_stage_runs_and_the_model_is_pushed(ran, root):
    assert {task.state for task in ran.values()} == {kfp_executor.SUCCEEDED}
    assert list(ran)[-2:] == ["Pusher", "WriteRecord"]
    assert ran["Evaluator"].artifacts["blessing"]["metadata"]["blessed"] == 1
    version = newest(str(root / "serving" / "mrpc"))
    assert ran["Pusher"].artifacts["pushed_model"]["metadata"]["pushed_destination"] == version
    assert pathlib.Path(version, "saved_model.pb").is_file()


def test_with_nothing_served_the_candidate_is_its_own_baseline(ran):
    candidate = ran["Trainer"].artifacts["model"]
    assert ran["Baseline"].artifacts["model"]["metadata"]["copy_of"] == candidate["uri"]


def test_the_last_stage_writes_the_record_of_the_run(ran, root, project):
    record = read_record(record_file(str(root), "mrpc", 1))
    assert (record.verdict, record.exit_code) == ("pushed", 0)
    assert record.pushed_to == newest(str(root / "serving" / "mrpc"))
    assert record.data.folder == str(project.root / "data")
    assert record.settings["epochs"] == 1 and record.settings["min_accuracy"] == 0.1
    measured = {metric.name: metric for metric in record.metrics}
    assert measured["accuracy"].bound == 0.1 and measured["accuracy"].interval.is_known
    assert record.slices and record.serving and record.code["Trainer"]
    assert record.places.evaluation == ran["Evaluator"].artifacts["evaluation"]["uri"]


def test_the_pushed_model_answers(ran, root, image):
    asked = subprocess.run(
        [
            *(sys.executable, "-m", "pipeline.cli", "predict", str(root / "serving" / "mrpc")),
            *("sentence1=He won .", "sentence2=The win was his ."),
        ],
        cwd=image,
        capture_output=True,
        text=True,
    )
    assert json.loads(asked.stdout)["label"] in (0, 1), asked.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--task", "mrcp"], ["no task 'mrcp'"]),
        (["--target", "k8s"], ["No such command 'k8s'"]),
        (["--root", "gs:///models"], ["--root gs:///models", "bucket is missing"]),
        (["--target", "vertex"], ["--root", "begins with gs://"]),
        (["--image", "bert:latest"], ["--image bert:latest", "digest"]),
        (["--set", "epochs"], ["--set epochs", "NAME=VALUE"]),
        (["--output", "mrpc.json"], ["--output mrpc.json", ".yaml"]),
        (["--output", "nowhere/mrpc.yaml"], ["nowhere/mrpc.yaml", "cannot be written"]),
    ],
)
def test_bad_usage_exits_2(arguments, expected, tmp_path, monkeypatch, tiny_encoder, capfd):
    monkeypatch.chdir(tmp_path)
    defaults = ["--task", "mrpc", "--target", "kfp", "--image", "bert:1", "--root", str(tmp_path)]
    defaults += ["--data", "/mnt/data", "--encoder", tiny_encoder, "--output", "mrpc.yaml"]
    assert kubeflow_runner.main([*defaults, *arguments]) == 2
    shown = capfd.readouterr().err
    assert "rror: " in shown and "Traceback" not in shown
    for text in expected:
        assert text in shown
    assert list(tmp_path.iterdir()) == []


def test_the_image_takes_all_its_sources_from_the_tree():
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    included = {line[1:] for line in ignored if line.startswith("!")}
    assert {pathlib.Path(source).parts[0] for source in COPIED} == included
    for source in COPIED:
        assert (REPOSITORY / source).exists(), source
    assert all(options == ["--chown=pipeline"] for *options, _, _ in steps("COPY"))


def test_the_image_is_made_of_the_locks_without_what_developing_needs():
    locks = {path.name for path in (REPOSITORY / "locks").glob("tfx*.txt")}
    for stack in ("116", "121"):
        ((image,),) = [words[:-2] for words in steps("FROM") if words[-1] == f"stack{stack}"]
        python = image.removeprefix("python:").split("-")[0].replace(".", "")
        assert {f"tfx{stack}-py{python}.txt", f"tfx{stack}-py{python}-cuda.txt"} <= locks
    (setup,) = [words for words in steps("RUN") if "tools/setup.sh" in words]
    assert setup[:4] == ["STACK=${STACK}", "WITH_CUDA=1", "WITH_DEVELOP=0", "tools/setup.sh"]


def test_the_image_is_checked_and_runs_without_root():
    assert steps("USER") == [["pipeline"]]
    assert steps("RUN")[-1] == ["bert-tfx", "doctor"]
    (variables,) = steps("ENV")
    assert f"XDG_CACHE_HOME={pathlib.Path(IMAGE_CACHE).parent}" in variables


CONDITION = "inputs.artifacts['told'].artifacts[0].metadata['blessed'] == 1.0"
SAYS = """
import json, sys
asked = json.loads(sys.argv[1])
(told,) = asked["inputs"]["artifacts"]["told"]["artifacts"]
value = asked["inputs"]["parameterValues"]["word"] + told["uri"]
json.dump({"parameterValues": {"said": value}}, open(asked["outputs"]["outputFile"], "w"))
"""


def test_executor_knows_importers_parameters_and_conditions(tmp_path):
    told = {"taskOutputArtifact": {"producerTask": "importer", "outputArtifactKey": "result"}}

    def says(word: dict, condition: str) -> dict:
        return {
            "componentRef": {"name": "says"},
            "inputs": {"artifacts": {"told": told}, "parameters": {"word": word}},
            "triggerPolicy": {"condition": condition},
        }

    said = {"taskOutputParameter": {"producerTask": "first", "outputParameterKey": "said"}}
    never = {"taskOutputParameter": {"producerTask": "skipped", "outputParameterKey": "said"}}
    spec = {
        "defaultPipelineRoot": str(tmp_path),
        "components": {
            "importer": {
                "executorLabel": "importer",
                "outputDefinitions": {"artifacts": {"result": {"artifactType": {}}}},
            },
            "says": {"executorLabel": "says", "outputDefinitions": {"parameters": {"said": {}}}},
        },
        "deploymentSpec": {
            "executors": {
                "importer": {
                    "importer": {
                        "artifactUri": {"constant": "file"},
                        "typeSchema": {},
                        "metadata": {"blessed": 1.0},
                    }
                },
                "says": {"container": {"command": ["python", "-c", SAYS], "args": ["{{$}}"]}},
            }
        },
        "root": {
            "inputDefinitions": {"parameters": {"word": {"defaultValue": "a "}, "other": {}}},
            "dag": {
                "tasks": {
                    "after": says(never, ""),
                    "last": says(said, f"!({CONDITION} && 1.0 == 2.0)"),
                    "skipped": says({"runtimeValue": {"constant": "b"}}, f"!({CONDITION})"),
                    "first": says({"componentInputParameter": "word"}, CONDITION),
                    "importer": {"componentRef": {"name": "importer"}},
                }
            },
        },
    }
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    with pytest.raises(ValueError, match="missing parameters: other"):
        kfp_executor.run(tmp_path / "spec.yaml", tmp_path / "none", tmp_path)
    done = kfp_executor.run(tmp_path / "spec.yaml", tmp_path / "logs", tmp_path, other="")
    assert done["first"].parameters == {"said": "a file"}
    assert done["last"].parameters == {"said": "a filefile"}
    assert {name for name, task in done.items() if task.state == "skipped"} == {"skipped", "after"}
