#!/usr/bin/env bash
# Builds docs/ with MkDocs into .docs/site, in .docs/venv; a warning, such as a broken link, is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.docs/venv
STAMP=$VENV/installed.txt
if ! cmp --silent locks/docs.txt $STAMP; then
  eval "$(.venv/bin/python -m pip config list | .venv/bin/python tools/pip_to_uv.py)"
  .venv/bin/uv venv --quiet --clear --python .venv/bin/python $VENV
  .venv/bin/uv pip sync --quiet --python $VENV/bin/python --require-hashes locks/docs.txt
  cp locks/docs.txt $STAMP
fi
NO_MKDOCS_2_WARNING=true $VENV/bin/mkdocs build --quiet --strict
echo "docs: .docs/site/index.html"
