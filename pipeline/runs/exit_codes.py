"""Exit codes of the commands that run the pipeline, or a stage of it."""

PUSHED, FAULT, BAD_INPUT, REFUSED = 0, 1, 2, 3
SKIPPED = 99  # of a stage that had nothing to do
