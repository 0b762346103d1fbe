#!/usr/bin/env bash
# Resolves locks/*.in into the complete, hashed locks; `make lock` runs it. Arguments go to uv.
#
# uv keeps the versions that a lock already holds where they still fit, so a lock changes only where its
# input did. To move a package: `make lock UPGRADE="--upgrade-package NAME"`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

eval "$(.venv/bin/python -m pip config list | .venv/bin/python tools/pip_to_uv.py)"
# A second index or a folder of wheels may hold fewer files of a release, and so fewer hashes.
unset UV_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS

# keep_entries LOCK OTHER: those of LOCK, with their hashes, whose package OTHER does not name.
keep_entries() {
  awk '/^[a-z0-9]/ { split($1, part, "[=[]"); wanted = NR == FNR ? 0 : !(part[1] in held) }
       NR == FNR { if (/^[a-z0-9]/) held[part[1]]; next }
       /^#/ || wanted' "$2" "$1" >"$1.new"
  mv "$1.new" "$1"
}

# resolve STACK PYTHON_VERSION GLIBC: the oldest glibc that the stack's own wheels load on.
resolve() {
  local lock=locks/tfx$1-py${2/./}.txt
  local options=(--quiet --no-annotate --generate-hashes --custom-compile-command "make lock"
    --python-version "$2" --python-platform "x86_64-manylinux_${3/./_}" "${@:4}")
  .venv/bin/uv pip compile "locks/tfx$1.in" --override locks/overrides.txt "${options[@]}" --output-file "$lock"

  # What developing asks for, and of that only what the lock does not hold.
  local develop_lock=${lock%.txt}-develop.txt
  .venv/bin/uv pip compile locks/develop.in --constraint "$lock" "${options[@]}" --output-file "$develop_lock" >/dev/null
  keep_entries "$develop_lock" "$lock"

  # What TensorFlow itself asks for to train on a GPU, in the same way.
  local cuda_lock=${lock%.txt}-cuda.txt
  sed -n 's/^tensorflow==\([^ ]*\).*/tensorflow[and-cuda]==\1/p' "$lock" |
    .venv/bin/uv pip compile - --constraint "$lock" "${options[@]}" --output-file "$cuda_lock" >/dev/null
  keep_entries "$cuda_lock" "$lock"
}

resolve 116 3.10 2.28 "$@"
resolve 121 3.11 2.39 "$@"
.venv/bin/uv pip compile locks/docs.in --quiet --no-annotate --generate-hashes --custom-compile-command "make lock" \
  --python-version 3.10 --python-platform x86_64-manylinux_2_28 "$@" --output-file locks/docs.txt >/dev/null
