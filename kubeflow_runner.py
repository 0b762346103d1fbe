"""Compiles the pipeline for Kubeflow Pipelines 2 or Vertex AI, as `bert-tfx compile kfp|vertex` does.

    python kubeflow_runner.py --target kfp --task mrpc --image REGISTRY/IMAGE:TAG --data gs://BUCKET/DATA
        --root gs://BUCKET/FOLDER --output mrpc.yaml

Exit codes: 0 the file was written; 2 bad input or usage; 1 a fault.
"""

import argparse
import sys

from pipeline.cli.main import main as command_line


def main(arguments: list[str] | None = None) -> int:
    """Compiles for the backend that --target names, and returns the exit code."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--target", default="--help")
    target, rest = parser.parse_known_args(arguments)
    return command_line(["compile", target.target, *rest])


if __name__ == "__main__":
    sys.exit(main())
