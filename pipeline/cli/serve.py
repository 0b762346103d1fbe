"""Serves a pushed model for development: REST, gRPC, and a page to try it."""

import json
import os
import pathlib
import time

import click

from components.common.cache import without_patterns
from components.common.errors import InputError
from components.common.stderr_filter import quiet_stderr
from components.serving import versions
from pipeline.cli.options import model_argument


@click.command("serve")
@model_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8501, show_default=True, help="Of REST and the page; 0 for any.")
@click.option("--grpc-port", default=8500, show_default=True, help="Of gRPC; 0 for any.")
def command(model: str, host: str, port: int, grpc_port: int) -> None:
    """Serves a pushed model for development: REST, gRPC, and a page to try it.

    MODEL is a folder of versions; the newest answers, and one that is pushed later takes its place. It
    speaks TensorFlow Serving's protocol on TensorFlow Serving's ports, in one process, without batching
    or authentication: for production run tensorflow/serving on the same folder.

    \b
    bert-tfx serve output/serving/mrpc
    """
    base = pathlib.Path(model).absolute()
    newest = versions.newest(str(base))
    if not newest or pathlib.Path(newest).parent != base:
        raise InputError(
            f"{model} holds no version of a model. Pass the folder of versions, OUTPUT/serving/TASK."
        )
    with quiet_stderr():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # It takes seconds to import, so bad arguments are reported before.
        from components.serving.development_server import start

        try:
            server = start(without_patterns(str(base)), base.name, host, grpc_port, port)
        except OSError as error:
            raise InputError(
                f"port {port} or {grpc_port} of {host} cannot be had: {error.strerror}. Pass another "
                "--port and --grpc-port; 0 takes any."
            ) from None
        while not (server.served.about()["version"] or server.served.errors):
            time.sleep(0.1)
    about = server.served.about()
    if about["version"] is None:
        told = "; ".join(f"{v}: {reason}" for v, reason in server.served.errors.items())
        raise InputError(f"{model}: no version can be loaded: {told}")
    url = f"http://{host}:{server.rest_port}"
    body = json.dumps({"instances": [dict.fromkeys(about["fields"], "...")]})
    click.echo(f"{base.name}, version {about['version']}, is served until Ctrl-C")
    click.echo(f"  page   {url}/")
    click.echo(f"  REST   curl {url}/v1/models/{base.name}:predict -d '{body}'")
    click.echo(f"  gRPC   {host}:{server.grpc_port}")
    click.echo("For development: one process, no batching, no authentication.")
    try:
        server.wait()
    except KeyboardInterrupt:
        click.echo("stopped")
