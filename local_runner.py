"""Runs the pipeline on this machine, as `bert-tfx run` does, with the same options.

    python local_runner.py --task mrpc --data data/mrpc --output output

Exit codes: 0 the model was pushed, or is served already; 3 the gate refused it; 2 bad input or usage;
1 a fault; 130 stopped.
"""

import sys

from pipeline.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
