"""A server of TensorFlow Serving's protocol, in Python, with a page to try the model.

It watches a folder as tensorflow_model_server does: it looks for the highest number, loads that version
beside the one that it serves, then unloads the old one. gRPC: Predict, GetModelStatus; REST: POST
/v1/models/NAME:predict and GET /v1/models/NAME. A version that cannot be loaded is tried once, and stays
in the status as a failure. It is for development: one process, no batching, no authentication.

As a file in a bare process, `python -I development_server.py BASE NAME` prints the ports of gRPC and
REST, then answers until it is killed; it imports nothing of this project.
"""

import base64
import dataclasses
import errno
import http.server
import json
import os
import pathlib
import sys
import threading
import time
from concurrent import futures
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the model's ops)
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

_POLL_SECONDS = 0.1
_PAGE = pathlib.Path(__file__).with_name("try_it.html")
_State = get_model_status_pb2.ModelVersionStatus


class Served:
    """The newest version of a folder.

    Attributes:
      name: of the model.
      states: version -> its state in TensorFlow Serving's protocol, for each that was seen.
      errors: version -> why it cannot be loaded.
    """

    def __init__(self, base: str, name: str):
        """Keeps the folder; `watch` begins to serve it."""
        self.name, self._base = name, base
        self.states: dict[int, int] = {}
        self.errors: dict[int, str] = {}
        self._current: tuple[int, Any] | None = None

    def ask(self, inputs: dict, signature: str) -> tuple[int, dict]:
        """Returns the version that answers, and its outputs.

        Raises:
          ValueError: the inputs are wrong, or there is no version or no such signature.
        """
        if self._current is None:
            raise ValueError("no version is available")
        version, model = self._current
        if signature not in model.signatures:
            raise ValueError(f"no signature {signature!r}")
        fields = model.signatures[signature].structured_input_signature[1].keys()
        if inputs.keys() != fields:
            raise ValueError(f"give the fields {sorted(fields)}, not {sorted(inputs)}")
        try:
            return version, model.signatures[signature](**inputs)
        except (TypeError, ValueError, tf.errors.OpError) as error:
            raise ValueError(str(error)[:300]) from None

    def watch(self) -> None:
        """Looks for new versions from now on."""
        threading.Thread(target=self._watch, daemon=True).start()

    def about(self) -> dict[str, Any]:
        """Returns what the page shows: name, version, fields, and an example of the model card."""
        if self._current is None:
            return {"name": self.name, "version": None, "fields": {}}
        version, model = self._current
        fields = sorted(model.signatures["serving_default"].structured_input_signature[1])
        card = pathlib.Path(self._base, str(version), "assets.extra", "model_card.json")
        told = json.loads(card.read_text()) if card.is_file() else {}
        example: dict = next(iter(told.get("examples", [])), {})
        texts = example.get("inputs", {})
        return {
            "name": self.name,
            "version": version,
            "fields": {name: texts.get(name, "") for name in fields},
            "description": told.get("description", ""),
        }

    def _watch(self) -> None:
        while True:
            newest = max((int(n) for n in os.listdir(self._base) if n.isdigit()), default=None)
            if newest is not None and newest not in self.states:
                self._load(newest)
            time.sleep(_POLL_SECONDS)

    def _load(self, version: int) -> None:
        self.states[version] = _State.LOADING
        try:
            model = tf.saved_model.load(f"{self._base}/{version}")
        except Exception as error:
            self.states[version], self.errors[version] = _State.END, str(error)[:300]
            return
        before, self._current = self._current, (version, model)
        self.states[version] = _State.AVAILABLE
        if before:
            self.states[before[0]] = _State.END


class Grpc(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """The gRPC services."""

    def __init__(self, served: Served):
        self._served = served

    def Predict(self, request, context):
        """Answers a request for predictions."""
        self._check(request, context)
        try:
            inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
            signature = request.model_spec.signature_name or "serving_default"
            version, outputs = self._served.ask(inputs, signature)
        except (TypeError, ValueError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        response.model_spec.version.value = version
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response

    def GetModelStatus(self, request, context):
        """Answers with the state of each version."""
        self._check(request, context)
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state in sorted(self._served.states.items()):
            status = response.model_version_status.add(version=version, state=state)
            status.status.error_message = self._served.errors.get(version, "")
        return response

    def _check(self, request, context) -> None:
        if request.model_spec.name != self._served.name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no model {request.model_spec.name!r}")


class Rest(http.server.BaseHTTPRequestHandler):
    """The REST API."""

    served: Served

    def do_POST(self):
        """Answers a request for predictions."""
        if self.path != f"/v1/models/{self.served.name}:predict":
            self._say(404, {"error": f"no such path: {self.path}; ask {self._paths()}"})
            return
        try:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            inputs = _columns(body)
            _, outputs = self.served.ask(inputs, body.get("signature_name", "serving_default"))
            values = {name: _plain(value.numpy()) for name, value in outputs.items()}
            if "inputs" in body:
                self._say(200, {"outputs": values})
                return
            answers = [dict(zip(values, answer)) for answer in zip(*values.values())]
            self._say(200, {"predictions": answers})
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            self._say(400, {"error": f"the body is no JSON: {error}"})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._say(400, {"error": str(error)})

    def do_GET(self):
        """Answers with the page, or with the state of each version."""
        if self.path == "/":
            about = json.dumps(self.served.about()).replace("<", "\\u003c")
            page = _PAGE.read_text().replace("{{model}}", about)
            self._send(200, "text/html; charset=utf-8", page.encode())
            return
        if self.path != f"/v1/models/{self.served.name}":
            self._say(404, {"error": f"no such path: {self.path}; ask {self._paths()}"})
            return
        states = {str(v): _State.State.Name(s) for v, s in self.served.states.items()}
        status = [{"version": v, "state": s} for v, s in states.items()]
        self._say(200, {"model_version_status": status})

    def _paths(self) -> str:
        name = self.served.name
        return f"GET /, GET /v1/models/{name} or POST /v1/models/{name}:predict"

    def _say(self, code: int, body: dict) -> None:
        self._send(code, "application/json", json.dumps(body).encode())

    def _send(self, code: int, kind: str, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Logs nothing."""


def _columns(body: Any) -> dict[str, tf.Tensor]:
    """Returns the inputs of a request by name; raises ValueError where it has none or they differ.

    They stand as TensorFlow Serving takes them, by example in `instances`, or by field in `inputs`.
    """
    instances, inputs = (
        body.get(key) if isinstance(body, dict) else None for key in ("instances", "inputs")
    )
    if instances is None and isinstance(inputs, dict) and inputs:
        for name, texts in inputs.items():
            if not isinstance(texts, list) or not all(isinstance(t, str | dict) for t in texts):
                raise ValueError(f"inputs.{name} must be a list of texts")
        return {n: tf.constant([_binary(t) for t in texts]) for n, texts in inputs.items()}
    if not isinstance(instances, list) or not instances or inputs is not None:
        raise ValueError(
            'the body has no examples; write {"instances": [{"FIELD": "text"}]} or '
            '{"inputs": {"FIELD": ["text"]}}, one of the two'
        )
    for place, instance in enumerate(instances):
        if not isinstance(instance, dict) or instance.keys() != instances[0].keys():
            raise ValueError(f"instances[{place}] has other fields than instances[0]")
        for name, value in instance.items():
            if not isinstance(value, str | dict):
                raise ValueError(f"instances[{place}].{name} is {value!r}, and must be a text")
    return {n: tf.constant([_binary(i[n]) for i in instances]) for n in instances[0]}


def _binary(value):
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{value!r} holds half a surrogate pair") from None


def _plain(values: np.ndarray) -> list:
    if values.dtype == object:
        return np.vectorize(lambda b: b.decode(errors="replace"), otypes=[object])(values).tolist()
    return values.tolist()


@dataclasses.dataclass(frozen=True)
class Server:
    """A server that answers from its start on.

    Attributes:
      served: the versions.
      grpc_port, rest_port: where it listens.
    """

    served: Served
    grpc_port: int
    rest_port: int
    _rest: http.server.ThreadingHTTPServer
    _grpc: grpc.Server

    def wait(self) -> None:
        """Answers until the process is stopped."""
        self._rest.serve_forever()


def start(
    base: str, name: str, host: str = "127.0.0.1", grpc_port: int = 0, rest_port: int = 0
) -> Server:
    """Starts to serve the versions in a folder.

    Args:
      base: folder of versions.
      name: of the model.
      host: address to listen on.
      grpc_port, rest_port: 0 for any that is free.

    Raises:
      OSError: a port is in use.
    """
    served = Served(base, name)
    handler = type("_Rest", (Rest,), {"served": served})
    rest = http.server.ThreadingHTTPServer((host, rest_port), handler)
    server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Grpc(served), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Grpc(served), server)
    try:
        bound = server.add_insecure_port(f"{host}:{grpc_port}")
    except RuntimeError as error:
        rest.server_close()
        raise OSError(errno.EADDRINUSE, str(error)) from None
    server.start()
    served.watch()
    return Server(served, bound, rest.server_address[1], rest, server)


if __name__ == "__main__":
    _, folder, model_name = sys.argv
    started = start(folder, model_name)
    print(started.grpc_port, started.rest_port, flush=True)
    started.wait()
