"""Trains as one of several machines.

    TF_CONFIG=... python -m components.training.worker FOLDER

FOLDER is OUTPUT/checkpoints/TASK of the pipeline, on a file system that all machines share. The pipeline
runs on one of them, the first worker of TF_CONFIG, with --set strategy=workers. Its Trainer starts this
program there. On the others, start it by hand or by a supervisor: it waits for the first worker, trains
along, and writes nothing.

Exit codes: 0 the model is trained; 2 bad input or usage; any other: a fault, or another worker was lost,
which TensorFlow notices after some twenty seconds.
"""

import argparse
import json
import logging
import os
import socket
import sys
import threading
import time

import tensorflow as tf

from components.common.errors import InputError
from components.devices.strategies import strategy_of
from components.training.coordinator import JOB_FILE
from components.training.trainer import train

progress = logging.getLogger("progress")


def main(arguments: list[str] | None = None) -> int:
    """Runs the program, and returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m components.training.worker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end with the Trainer")
    options = parser.parse_args(arguments)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(levelno)d %(message)s"))
    progress.addHandler(handler)
    progress.setLevel(logging.INFO)
    progress.propagate = False
    if options.until_stdin_ends:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        _wait_for_first_worker()
        strategy = strategy_of("workers")
        with tf.io.gfile.GFile(f"{options.folder}/{JOB_FILE}") as file:
            job = json.load(file)
        train(job, strategy)
    except InputError as error:
        progress.error("%s", str(error))
        return 2
    except tf.errors.OpError as error:  # as when another worker is lost
        progress.error("%s", error.message)
        return 1
    return 0


def _wait_for_first_worker() -> None:
    """Waits until the first worker listens, which it does once its Trainer has begun."""
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    cluster = resolver.cluster_spec().as_dict()
    if set(cluster) != {"worker"} or resolver.task_type != "worker":
        raise InputError(
            'strategy is workers, and TF_CONFIG names none. Set it on each machine: {"cluster": '
            '{"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": N}}.'
        )
    host, _, port = cluster["worker"][0].rpartition(":")
    while resolver.task_id:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        except OSError:
            progress.info("waiting for the first worker, %s:%s", host, port)
            time.sleep(5)


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
