"""What is pushed, behind TensorFlow Serving's protocol: asked, pushed over, rolled back, fuzzed."""

import base64
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

from components.serving import versions
from pipeline.cli.main import main
from tests.conftest import REPOSITORY


class Server:
    """components/serving/development_server.py in a process of its own, and clients for it."""

    def __init__(self, base: pathlib.Path, name: str):
        self.name = name
        command = [
            sys.executable,
            "-I",
            str(REPOSITORY / "components" / "serving" / "development_server.py"),
        ]
        self.process = subprocess.Popen(
            [*command, str(base), name],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.grpc_port, self.rest_port = self.process.stdout.readline().split()
        self.endpoint = f"127.0.0.1:{self.grpc_port}"
        channel = grpc.insecure_channel(self.endpoint)
        self._predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        self._status = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus

    def ask(self, inputs: dict, signature: str = "serving_default") -> tuple[int, dict]:
        """The version that answered and its outputs, over gRPC."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self.name, signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        response = self._predict(request, timeout=60)
        outputs = {name: tf.make_ndarray(value) for name, value in response.outputs.items()}
        return response.model_spec.version.value, outputs

    def post(self, body: bytes) -> dict:
        """The answer over REST."""
        url = f"http://127.0.0.1:{self.rest_port}/v1/models/{self.name}:predict"
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as response:
            return json.load(response)

    def states(self) -> dict[int, tuple[str, str]]:
        """Version -> its state and what was wrong with it."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self.name
        kinds = get_model_status_pb2.ModelVersionStatus.State
        return {
            status.version: (kinds.Name(status.state), status.status.error_message)
            for status in self._status(request, timeout=60).model_version_status
        }

    def wait_for(self, version: int) -> None:
        deadline = time.monotonic() + 120
        while self.states().get(version, ("", ""))[0] != "AVAILABLE":
            assert time.monotonic() < deadline, self.states()
            time.sleep(0.05)

    def memory_mb(self) -> float:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024 / 1e6


@contextlib.contextmanager
def serving(base: pathlib.Path, name: str):
    server = Server(base, name)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="module")
def server(project, first_run, tmp_path_factory):
    """Serves the version that the first run pushed."""
    base = tmp_path_factory.mktemp("served") / "mrpc"
    versions.push(str(project.versions()[0]), str(base), {})
    with serving(base, "mrpc") as started:
        started.wait_for(versions.versions(str(base))[-1])
        started.folder = base / str(versions.versions(str(base))[-1])
        yield started


PAIR = {"sentence1": "He won .", "sentence2": "The win was his ."}


def test_rest_and_grpc_answer_the_example_of_the_card(server):
    card = json.loads((server.folder / "assets.extra" / "model_card.json").read_text())
    (example,) = card["examples"]
    assert example["rest"] == "POST /v1/models/mrpc:predict"
    (answer,) = server.post(json.dumps(example["body"]).encode())["predictions"]
    _, outputs = server.ask({name: [text] for name, text in example["inputs"].items()})
    for label, probabilities in (
        (answer["label"], answer["probabilities"]),
        (outputs["label"][0], outputs["probabilities"][0]),
    ):
        assert label == example["outputs"]["label"]
        np.testing.assert_allclose(probabilities, example["outputs"]["probabilities"], atol=1e-5)


def test_the_columns_of_rest_are_answered_as_its_rows_are(server):
    rows = [PAIR, {"sentence1": "She lost .", "sentence2": "He won ."}]
    by_row = server.post(json.dumps({"instances": rows}).encode())["predictions"]
    columns = {name: [row[name] for row in rows] for name in PAIR}
    outputs = server.post(json.dumps({"inputs": columns}).encode())["outputs"]
    assert outputs["label"] == [answer["label"] for answer in by_row]
    np.testing.assert_allclose(
        outputs["probabilities"], [answer["probabilities"] for answer in by_row], atol=1e-5
    )


def test_what_curl_sends_in_the_readme_is_answered(server):
    readme = (REPOSITORY / "README.md").read_text()
    body = re.search(r"-d '(\{\"instances\".*?\})'$", readme, re.MULTILINE)[1]
    assert server.post(body.encode())["predictions"][0]["label"] in (0, 1)


def test_the_grpc_client_of_the_docs_is_answered(server):
    page = (REPOSITORY / "docs" / "serving.md").read_text()
    snippet = re.search(r"(?m)^    import grpc.*\n(?:    .*\n)+", page)[0]
    code = re.sub("^    ", "", snippet, flags=re.MULTILINE).replace(
        "localhost:8500", server.endpoint
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "probabilities" in run.stdout


def test_tfx_own_client_replays_the_warmup(server):
    from tfx.components.infra_validator.model_server_clients.tensorflow_serving_client import (
        TensorFlowServingClient,
    )

    client = TensorFlowServingClient(server.endpoint, "mrpc")
    client.WaitUntilModelLoaded(deadline=time.time() + 60, polling_interval_sec=1)
    records = tf.data.TFRecordDataset(
        str(server.folder / "assets.extra" / "tf_serving_warmup_requests")
    )
    logs = [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in records]
    requests = [log.predict_log.request for log in logs]
    for request in requests:
        request.model_spec.name = "mrpc"
    client.SendRequests(requests)
    assert {r.model_spec.signature_name for r in requests} == {"serving_default", "serve_examples"}


class Tagged(tf.Module):
    """A model that answers with the text and its own tag."""

    def __init__(self, tag: str):
        super().__init__()
        self.tag = tf.Variable(tag)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def serving_default(text):
            return {"answer": tf.strings.join([text, self.tag], " ")}

        self.asked = serving_default


@pytest.mark.full
def test_no_request_fails_while_versions_are_pushed_and_taken_back(tmp_path, long_form):
    """Clients ask without a pause; each answer is that of the version that claims it."""
    base, tags = tmp_path / "serving", {}
    clients, seconds = (32, 15) if long_form else (8, 1)

    def push(tag: str) -> int:
        model = Tagged(tag)
        folder = str(tmp_path / tag)
        tf.saved_model.save(model, folder, signatures={"serving_default": model.asked})
        version = versions.push(folder, str(base), {}, keep=2)
        tags[version] = tag
        return version

    first, answers, failures, done = push("first"), [], [], threading.Event()

    def client(number: int) -> None:
        count = 0
        while not done.is_set():
            count += 1
            text = f"{number} {count}"
            try:
                version, outputs = server.ask({"text": [text]})
                answers.append((text, version, outputs["answer"][0].decode()))
            except grpc.RpcError as error:
                failures.append(error)

    with serving(base, "tagged") as server:
        server.wait_for(first)
        threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
        for thread in threads:
            thread.start()
        for tag in ("second", "third", "fourth"):
            server.wait_for(push(tag))
            time.sleep(seconds)
        target, taken_back = versions.rollback(str(base))
        tags[taken_back] = tags[target]
        server.wait_for(taken_back)
        time.sleep(seconds)
        done.set()
        for thread in threads:
            thread.join()
        states = server.states()
    print(f"{len(answers):,} answers, {clients} clients")
    assert not failures
    wrong = [(t, v, a) for t, v, a in answers if a != f"{t} {tags[v]}"]
    assert not wrong
    assert {version for _, version, _ in answers} == set(tags)
    assert tags[taken_back] == "third"
    assert [error for _, error in states.values() if error] == []


def fuzzed(generator: random.Random) -> tuple[dict, str]:
    """The inputs of a request that nobody should send, and its signature."""
    length = generator.choice([0, 1, 30, 300, 3000])
    texts = [
        generator.randbytes(length),
        "".join(map(chr, generator.choices(range(0x20, 0xD800), k=length))).encode(),
        bytes(generator.choices(range(32), k=length)),
        "".join(map(chr, generator.choices(range(0x1F300, 0x1FAFF), k=length))).encode(),
        b"word " * length,
    ]
    one, two = generator.choices(texts, k=2)
    right = ("serving_default", {"sentence1": [one], "sentence2": [two]})
    signature, inputs = generator.choice(
        [
            *[right] * 8,
            ("serving_default", {"sentence1": [one, two], "sentence2": [two]}),
            ("serving_default", {"sentence1": [[one]], "sentence2": [[two]]}),
            ("serving_default", {"sentence1": [one]}),
            ("serving_default", {"sentence1": [1.5], "sentence2": [2]}),
            ("serving_default", {"sentence1": one, "sentence2": two}),
            ("serve_examples", {"examples": [one]}),
            ("serve_examples", {"examples": [], "more": [two]}),
            ("nothing", {"sentence1": [one], "sentence2": [two]}),
        ]
    )
    return inputs, signature


@pytest.mark.full
def test_fuzzed_requests_get_answers_or_errors(server, long_form):
    generator = random.Random(0)
    count = 10_000 if long_form else 200
    answered = refused = 0
    for number in range(count):
        if number == count // 5:
            settled = server.memory_mb()
        inputs, signature = fuzzed(generator)
        try:
            _, outputs = server.ask(inputs, signature)
            assert np.isfinite(outputs["probabilities"]).all()
            answered += 1
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error  # noqa: PT017
            refused += 1
        if number % 10 == 0:
            body = generator.choice(
                [
                    generator.randbytes(50),
                    b"{}",
                    b'{"instances": []}',
                    json.dumps({"instances": [PAIR, {}]}).encode(),
                    json.dumps(
                        {
                            "instances": [
                                {n: {"b64": base64.b64encode(b"\xff").decode()} for n in PAIR}
                            ]
                        }
                    ).encode(),
                ]
            )
            with contextlib.suppress(urllib.error.HTTPError):
                server.post(body)
    grown = server.memory_mb() - settled
    print(f"{answered:,} answered, {refused:,} refused, memory grew by {grown:.0f} MB")
    assert answered and refused and server.process.poll() is None
    assert grown < 200
    (answer,) = server.post(json.dumps({"instances": [PAIR]}).encode())["predictions"]
    assert abs(sum(answer["probabilities"]) - 1) < 1e-5


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"no json", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"instances": [{"sentence1": "\\ud83d", "sentence2": "b"}]}', "surrogate"),
        (b'{"inputs": {"sentence1": ["a"], "sentence2": [1]}}', "inputs.sentence2"),
        (b'{"inputs": {"sentence1": ["a"]}, "instances": []}', "one of the two"),
        (b"[]", "instances"),
        (b'{"instances": []}', "instances"),
        (b'{"instances": [{"sentence1": "a"}]}', "sentence2"),
        (b'{"instances": [{"sentence1": "a", "sentence2": 1}]}', "instances[0].sentence2"),
        (b'{"instances": [{"sentence1": "a", "sentence2": "b"}, {}]}', "instances[1]"),
        (b'{"instances": [{"sentence1": "a", "other": "b"}]}', "other"),
    ],
)
def test_a_wrong_request_is_told_where_it_is_wrong(server, body, told):
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.post(body)
    assert refused.value.code == 400
    assert told in json.load(refused.value)["error"]


def test_the_command_serves_a_page_with_the_fields_until_it_is_stopped(server):
    base = server.folder.parent
    command = [sys.executable, "-m", "pipeline.cli", "serve", str(base)]
    started = subprocess.Popen(
        [*command, "--port", "0", "--grpc-port", "0"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # What runs in the background may have inherited that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        shown = [started.stdout.readline() for _ in range(5)]
        url = re.search(r"http://127\.0\.0\.1:\d+/", "".join(shown))[0]
        with urllib.request.urlopen(url, timeout=60) as response:
            page = response.read().decode()
        told = json.loads(re.search(r'id="model">(.*?)</script>', page)[1])
        assert told["version"] == int(server.folder.name) and set(told["fields"]) == set(PAIR)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}elsewhere", timeout=60)
        port = re.search(r":(\d+)/", url)[1]
        taken = subprocess.run(
            [*command, "--port", port], cwd=REPOSITORY, capture_output=True, text=True
        )
        assert taken.returncode == 2 and f"port {port}" in taken.stderr
        started.send_signal(signal.SIGINT)
        assert started.wait(timeout=60) == 0
    finally:
        started.kill()
        started.communicate()


def test_only_a_folder_of_versions_is_served(server, capsys):
    assert main(["serve", str(server.folder / "variables")]) == 2
    assert main(["serve", "nowhere"]) == 2
    assert re.search("nowhere .*OUTPUT/serving/TASK", capsys.readouterr().err)
