"""What the README's tables are made from: python -m benchmarks training | quality | scaling."""

import sys

from benchmarks import quality, scaling, training

COMMANDS = {"training": training.main, "quality": quality.main, "scaling": scaling.main}


def main() -> int:
    name, *arguments = sys.argv[1:] or ["training"]
    if name not in COMMANDS:
        print(f"error: there is no benchmark {name!r}; there are: {', '.join(COMMANDS)}")
        return 2
    return COMMANDS[name](arguments)


if __name__ == "__main__":
    sys.exit(main())
