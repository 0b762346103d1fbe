"""A server of TensorFlow Serving's protocol, in Python.

    python -m components.serving.development_server BASE NAME

It watches BASE as tensorflow_model_server does: it looks for the highest number, loads that version
beside the one that it serves, then unloads the old one. gRPC: Predict, GetModelStatus; REST: POST
/v1/models/NAME:predict and GET /v1/models/NAME. It prints both ports, then answers until it is killed. A
version that cannot be loaded is tried once, and stays in the status as a failure.
"""

import base64
import http.server
import json
import os
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
_State = get_model_status_pb2.ModelVersionStatus


class Served:
    """The newest version of a folder.

    Attributes:
      name: of the model.
      states: version -> its state in TensorFlow Serving's protocol, for each that was seen.
      errors: version -> why it cannot be loaded.
    """

    def __init__(self, base: str, name: str):
        self.name, self._base = name, base
        self.states: dict[int, int] = {}
        self.errors: dict[int, str] = {}
        self._current: tuple[int, Any] | None = None
        threading.Thread(target=self._watch, daemon=True).start()

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
        try:
            return version, model.signatures[signature](**inputs)
        except (TypeError, ValueError, tf.errors.OpError) as error:
            raise ValueError(str(error)[:300]) from None

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
        try:
            if self.path != f"/v1/models/{self.served.name}:predict":
                raise ValueError(f"no such path: {self.path}")
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            instances = body["instances"]
            inputs = {n: tf.constant([_binary(i[n]) for i in instances]) for n in instances[0]}
            _, outputs = self.served.ask(inputs, body.get("signature_name", "serving_default"))
            values = {name: _plain(value.numpy()) for name, value in outputs.items()}
            answers = [dict(zip(values, answer)) for answer in zip(*values.values())]
            self._say(200, {"predictions": answers})
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            self._say(400, {"error": str(error)})

    def do_GET(self):
        """Answers with the state of each version."""
        states = {str(v): _State.State.Name(s) for v, s in self.served.states.items()}
        status = [{"version": v, "state": s} for v, s in states.items()]
        self._say(200, {"model_version_status": status})

    def _say(self, code: int, body: dict) -> None:
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Logs nothing."""


def _binary(value):
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _plain(values: np.ndarray) -> list:
    if values.dtype == object:
        return np.vectorize(lambda b: b.decode(errors="replace"), otypes=[object])(values).tolist()
    return values.tolist()


def main(base: str, name: str) -> None:
    """Serves the versions in a folder until the process is killed."""
    served = Served(base, name)
    server = grpc.server(futures.ThreadPoolExecutor(16))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Grpc(served), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Grpc(served), server)
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    Rest.served = served
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    print(grpc_port, rest.server_address[1], flush=True)
    rest.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
