"""Measures what the README's tables show: python -m benchmarks training|serving|quality|scaling."""

import importlib
import os
import sys

COMMANDS = ("training", "serving", "quality", "scaling")


def main() -> int:
    name, *arguments = sys.argv[1:] or ["training"]
    if name not in COMMANDS:
        print(f"error: there is no benchmark {name!r}; there are: {', '.join(COMMANDS)}")
        return 2
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's messages of its start
    return importlib.import_module(f"benchmarks.{name}").main(arguments)


if __name__ == "__main__":
    sys.exit(main())
