"""What is compiled for Kubeflow Pipelines and Vertex AI; tests/test_kubeflow.py runs it."""

import dataclasses
import json
import pathlib
import re

import pytest
import yaml
from google.protobuf import json_format
from kfp.components import load_component_from_text
from kfp.pipeline_spec import pipeline_spec_pb2

from components.common.cache import cache_directory
from components.common.errors import InputError
from components.spec.encoder import Encoder
from components.spec.registry import load_task
from pipeline.beam import PROFILES
from pipeline.orchestrators import container
from pipeline.orchestrators.cluster import IMAGE_CACHE, TARGETS, cluster_config
from pipeline.orchestrators.kubeflow import compile_spec, refused_parts

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
IMAGE = "example.org:5000/bert:1"
ENCODER = Encoder(
    handle="gs://bucket/encoder",
    path="gs://bucket/encoder",
    sha256="0",
    vocab_file="gs://bucket/encoder/assets/vocab.txt",
    lower_case=True,
    hidden_size=16,
    max_positions=128,
)


def config(target="kfp", root="gs://bucket/root", data="gs://bucket/data", encoder=ENCODER):
    beam = PROFILES["local"].arguments
    return cluster_config(target, load_task("mrpc"), encoder, data, root, "eval", beam)


def stages(spec: dict) -> dict[str, dict]:
    return {
        label.removesuffix("_executor"): executor
        for label, executor in spec["deploymentSpec"]["executors"].items()
    }


@pytest.fixture(scope="module")
def kfp_spec() -> dict:
    return compile_spec(config(), "kfp", IMAGE)


@pytest.fixture(scope="module")
def vertex_spec() -> dict:
    return compile_spec(config("vertex"), "vertex", IMAGE)


def test_for_kfp_every_stage_is_a_plain_container(kfp_spec):
    assert {"ImportExampleGen", "Baseline", "Pusher"} <= set(stages(kfp_spec))
    for stage, executor in stages(kfp_spec).items():
        assert set(executor) == {"container"}, stage
        assert "lifecycle" not in executor["container"], stage
        assert executor["container"]["image"] == IMAGE


def test_for_vertex_resolvers_and_the_driver_are_kept(vertex_spec):
    assert "preCacheCheck" in stages(vertex_spec)["ImportExampleGen"]["container"]["lifecycle"]
    assert {s for s, e in stages(vertex_spec).items() if "resolver" in e} == {
        *("Baseline-model-blessing-resolver", "Baseline-model-resolver")
    }


def test_kfp_refuses_what_vertex_takes(vertex_spec):
    refused = "\n".join(refused_parts(vertex_spec, TARGETS["kfp"]))
    assert re.search("Baseline-model-resolver .*Resolver", refused)
    assert re.search("ImportExampleGen .*preCacheCheck", refused)
    assert refused_parts(vertex_spec, TARGETS["vertex"]) == []
    with pytest.raises(InputError, match=r"\bkfp\b.*: Baseline-model-blessing"):
        compile_spec(dataclasses.replace(config(), baseline="last_blessed"), "kfp", IMAGE)


@pytest.mark.parametrize(
    ("target", "gpu"), [("kfp", "nvidia.com/gpu"), ("vertex", "NVIDIA_TESLA_T4")]
)
def test_the_trainer_alone_gets_a_gpu(target, gpu, request):
    executors = stages(request.getfixturevalue(f"{target}_spec"))
    limits = {s: e["container"]["resources"] for s, e in executors.items() if "container" in e}
    assert limits["Trainer"].pop("accelerator") == {"type": gpu, "count": "1"}
    for stage, resources in limits.items():
        assert set(resources) == {"cpuLimit", "memoryLimit"}, stage
        assert all(limit > 0 for limit in resources.values())


def test_what_depends_on_more_than_its_inputs_is_not_cached(kfp_spec, vertex_spec):
    def uncached(spec):
        tasks = spec["root"]["dag"]["tasks"]
        return {t for t in tasks if not tasks[t].get("cachingOptions", {}).get("enableCache")}

    assert uncached(kfp_spec) == {"ImportExampleGen", "Baseline", "Pusher", "WriteRecord"}
    assert "ImportExampleGen" not in uncached(vertex_spec)


def test_two_tasks_under_one_root_share_no_artifact():
    """Each counts its executions from 1, and TFX names the folders of artifacts by their numbers."""
    one = config()
    other = dataclasses.replace(one, task=load_task("squad"))
    assert pathlib.PurePath(other.artifacts).parent == pathlib.PurePath(one.artifacts).parent
    assert other.artifacts != one.artifacts


@pytest.mark.parametrize("root", ["gs://b/r", "s3://b/r", "minio://b/r", "/mnt/r"])
def test_root_and_parameters_keep_their_defaults(root):
    spec = compile_spec(config(root=f"{root}/"), "kfp", IMAGE)
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert spec["defaultPipelineRoot"] == f"{root}/artifacts/mrpc"
    assert parameters["data"]["defaultValue"] == "gs://bucket/data"
    destination = json.loads(parameters["push_destination"]["defaultValue"])
    assert destination == {"filesystem": {"base_directory": f"{root}/serving/mrpc"}}
    used = {
        (task, source["componentInputParameter"])
        for task, body in spec["root"]["dag"]["tasks"].items()
        for source in body.get("inputs", {}).get("parameters", {}).values()
        if "componentInputParameter" in source
    }
    assert used == {
        ("ImportExampleGen", "data"),
        ("Baseline", "push_destination"),
        ("Pusher", "push_destination"),
        ("WriteRecord", "data"),
    }


@pytest.mark.parametrize("target", TARGETS)
def test_kfp_itself_takes_the_file(target, request):
    text = yaml.safe_dump(request.getfixturevalue(f"{target}_spec"))
    json_format.ParseDict(yaml.safe_load(text), pipeline_spec_pb2.PipelineSpec())
    loaded = load_component_from_text(text)
    assert loaded.name == "mrpc"
    assert set(loaded.component_spec.inputs) == {"data", "push_destination"}
    assert loaded.component_spec.inputs["data"].default == "gs://bucket/data"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"target": "k8s"}, "target 'k8s'.*: kfp, vertex"),
        ({"root": "hdfs://b/r"}, "--root hdfs://b/r: .*gs:// or s3:// or minio://"),
        ({"root": "gs://"}, "--root gs://: .*bucket"),
        ({"root": "gs:///r"}, "--root gs:///r: .*bucket"),
        ({"root": "out"}, "--root out: .*absolute path"),
        ({"data": "s3:///d"}, "--data s3:///d: .*bucket"),
        ({"data": "/home/me/data"}, "--data /home/me/data: .*this machine.*object store"),
        ({"target": "vertex", "root": "/mnt/r"}, "--root /mnt/r: .*gs://"),
        ({"target": "vertex", "root": "s3://b/r"}, "--root s3://b/r: .*gs://"),
        (
            {"encoder": dataclasses.replace(ENCODER, handle="mine", path="/home/me/mine")},
            "--encoder mine: .*this machine.*preset",
        ),
        (
            {"encoder": dataclasses.replace(ENCODER, max_positions=64)},
            "--set max_seq_length=64",
        ),
    ],
)
def test_bad_input_is_refused(changed, expected):
    with pytest.raises(InputError, match=expected):
        config(**changed)


def test_a_model_server_in_docker_is_refused():
    asked = config()
    task = asked.task.override({"model_server": "2.16.1"})
    with pytest.raises(InputError, match=r"--set model_server= .*Leave"):
        compile_spec(dataclasses.replace(asked, task=task), "kfp", IMAGE)


@pytest.mark.parametrize(
    "image", ["bert", "bert:latest", "example.org:5000/bert", "bert@sha256:ab"]
)
def test_an_image_without_a_fixed_version_is_refused(image):
    with pytest.raises(InputError, match=f"--image {image}: .*tag .*digest"):
        compile_spec(config(), "kfp", image)


def test_a_named_encoder_is_the_image_s_own():
    cached = f"{cache_directory()}/encoders/minilm-l6-0"
    named = dataclasses.replace(ENCODER, path=cached, vocab_file=f"{cached}/assets/vocab.txt")
    found = config(encoder=named).encoder
    assert found.path == f"{IMAGE_CACHE}/encoders/minilm-l6-0"
    assert found.vocab_file == f"{IMAGE_CACHE}/encoders/minilm-l6-0/assets/vocab.txt"


def test_artifacts_on_s3_are_where_the_launcher_copies_them(tmp_path):
    asked = {
        "inputs": {
            "artifacts": {
                "model": {"artifacts": [{"uri": "s3://b/model"}]},
                "examples": {"artifacts": [{"uri": "gs://b/examples"}]},
            },
            "parameterValues": {"input_base": "s3://b/data"},
        },
        "outputs": {"artifacts": {"blessing": {"artifacts": [{"uri": "minio://b/blessing"}]}}},
    }
    local = container.with_copies(asked)
    assert local["inputs"]["artifacts"]["model"]["artifacts"][0]["uri"] == "/s3/b/model"
    assert local["inputs"]["artifacts"]["examples"] == asked["inputs"]["artifacts"]["examples"]
    assert local["inputs"]["parameterValues"] == asked["inputs"]["parameterValues"]
    (blessing,) = local["outputs"]["artifacts"]["blessing"]["artifacts"]
    assert blessing["uri"] == "/minio/b/blessing"

    told = tmp_path / "executor_output.json"
    written = {**blessing, "metadata": {"blessed": 1}}
    told.write_text(json.dumps({"artifacts": {"blessing": {"artifacts": [written]}}}))
    container.restore_uris(told, asked)
    assert json.loads(told.read_text())["artifacts"]["blessing"]["artifacts"] == [
        {"uri": "minio://b/blessing", "metadata": {"blessed": 1}}
    ]
