"""Exit codes of the commands, and of a stage of a run."""

PUSHED, FAULT, BAD_INPUT, REFUSED = 0, 1, 2, 3
SKIPPED = 99  # of a stage that had nothing to do
STOPPED = 130  # by Ctrl-C
CLOSED_PIPE = 141  # nobody reads what is shown, as in `bert-tfx runs | head`
