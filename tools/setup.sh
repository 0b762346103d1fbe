#!/usr/bin/env bash
# Makes .venv from the locks of one of the two stacks; does nothing when that is already done.
#
#   tools/setup.sh              glibc decides: stack 121 from 2.39 on, else stack 116
#   STACK=116 tools/setup.sh    forces one
#   WITH_CUDA=0|1               without or with NVIDIA's libraries (default: as the machine has a driver)
#   WITH_DEVELOP=0|1            without or with what tests, lint and the notebook need (default: with)
#
# What was forced once stays until something else is asked for. The stamp .venv/setup.stamp is
# written last, after the doctor has passed. Without a stamp that fits, .venv is made anew: a
# half-installed package cannot be told from a whole one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV # they would lead python, pip and uv out of .venv

VENV=.venv
STAMP=$VENV/setup.stamp
LOG=$VENV/setup.log
NEEDED_MIB=5000      # .venv takes 3 GB, the builds and uv's cache the rest
NEEDED_CUDA_MIB=7000 # on top of it
GLIBC_FOR_121=2.39   # what the wheels of ml-metadata 1.21 and tensorflow-data-validation 1.21 ask for

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$@" >&2; exit 1; }

# --- which stack -------------------------------------------------------------------------------

at_least() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]; }

choose_stack() {
  [[ $(uname -sm) == "Linux x86_64" ]] ||
    die "TFX's native packages exist for Linux x86_64 only; this is $(uname -sm). Use such a machine or container."
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d ' ' -f 2) || true
  [[ $glibc ]] || die "no glibc found (musl?): TFX's native packages need it. Use a glibc distribution, such as Debian 12 or 13."

  stack=${STACK:-}
  if [[ ! $stack ]]; then
    if [[ $(stamped stack) != 116 ]] && at_least "$glibc" $GLIBC_FOR_121; then stack=121; else stack=116; fi
  fi
  case $stack in
    116) python_version=3.10 ;;
    121) python_version=3.11 ;;
    *) die "STACK=$stack is unknown: use STACK=116 or STACK=121." ;;
  esac
  lock=locks/tfx$stack-py${python_version/./}.txt
  [[ $stack == 116 ]] || at_least "$glibc" $GLIBC_FOR_121 ||
    die "stack 121 needs glibc $GLIBC_FOR_121 or newer (Debian 13, Ubuntu 24.04); this machine has $glibc." \
      "Leave STACK out (stack 116 runs here), use a newer system, or try it in a chroot: make test-debian13"

  cuda=${WITH_CUDA:-$(stamped cuda)}
  [[ $cuda ]] || { has_nvidia_driver && cuda=1 || cuda=0; }
  [[ $cuda == [01] ]] || die "WITH_CUDA=$cuda is unknown: use WITH_CUDA=0 or WITH_CUDA=1."
  develop=${WITH_DEVELOP:-$(stamped develop)}
  develop=${develop:-1}
  [[ $develop == [01] ]] || die "WITH_DEVELOP=$develop is unknown: use WITH_DEVELOP=0 or WITH_DEVELOP=1."
  locks=("$lock")
  [[ $develop == 0 ]] || locks+=("${lock%.txt}-develop.txt")
  [[ $cuda == 0 ]] || locks+=("${lock%.txt}-cuda.txt")
}

has_nvidia_driver() {
  [[ -e /proc/driver/nvidia/version || -e /dev/nvidiactl || -e /usr/lib/wsl/lib/libcuda.so.1 ]]
}

stamped() { [[ ! -f $STAMP ]] || sed -n "s/^$1 //p" "$STAMP"; }

# The venv's place belongs to the stamp because the scripts in .venv/bin hold absolute paths.
stamp() {
  printf 'stack %s\ncuda %s\ndevelop %s\nlocks %s\npython %s\nplace %s\n' \
    "$stack" "$cuda" "$develop" "$(cat "${locks[@]}" | sha256sum | cut -d ' ' -f 1)" "$1" "$PWD"
}

is_done() {
  [[ -f $STAMP ]] &&
    [[ $(<"$STAMP") == "$(stamp "$(stamped python)")" ]] &&
    "$VENV/bin/python" -c '' 2>/dev/null # its interpreter may have been removed since
}

# --- which interpreter -------------------------------------------------------------------------

# HOME may not be the home that pyenv was installed in, so its own place counts as well.
pyenv_roots() {
  pyenv root 2>/dev/null || true
  printf '%s\n' "${PYENV_ROOT:-}" "$(dirname "$(dirname "$(type -P pyenv)")")" "${HOME:-}/.pyenv"
}

python_candidates() {
  local root
  type -ap "python$python_version" python3 python || true
  pyenv_roots | while read -r root; do compgen -G "$root/versions/$python_version.*/bin/python$python_version" || true; done
  compgen -G "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-${HOME:-}/.local/share}/uv/python}/cpython-$python_version.*/bin/python$python_version" || true
}

# Prints the interpreter behind a candidate. It has to run: the pyenv shim of an inactive version does not.
base_python() {
  "$1" -c "import sys
if '%d.%d' % sys.version_info[:2] != '$python_version': sys.exit(1)
print(sys.base_prefix + '/bin/python$python_version')" 2>/dev/null
}

has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }
has_headers() {
  "$1" -c "import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_path('include') + '/Python.h'))"
}

# Sets python to the first complete interpreter, else to the first one that at least runs.
find_python() {
  local candidate found
  python=
  while read -r candidate; do
    found=$(base_python "$candidate") && [[ -x $found ]] || continue
    [[ $python ]] || python=$found
    if has_venv "$found" && has_headers "$found"; then python=$found && return; fi
  done < <(python_candidates)
}

# Last resort: an interpreter that uv downloads. Any Python 3 that can make a venv can fetch uv itself.
fetch_python() {
  local uv scratch
  say "no Python $python_version here; letting uv fetch one"
  scratch=$(mktemp -d)
  if ! uv=$(type -P uv); then
    if python3 -m venv "$scratch" &>"$scratch/log"; then
      lock_entries uv >"$scratch/uv.txt"
      install_with_pip "$scratch" "$scratch/uv.txt" &>>"$scratch/log" && uv=$scratch/bin/uv
    fi
  fi
  if [[ $uv ]]; then
    pip_settings_for_uv "$scratch/bin/python"
    "$uv" python install "$python_version" &>>"$scratch/log" || tail -n 1 "$scratch/log" >&2
  fi
  rm -rf "$scratch"
  find_python
  [[ $python ]] && return
  mapfile -t remedies < <(python_remedies)
  die "Python $python_version was not found: not in PATH, not under pyenv, and uv could not fetch it." \
    "Install it in one of these ways, then run make setup again:" "${remedies[@]/#/  }"
}

python_remedies() {
  if apt-cache policy "python$python_version" 2>/dev/null | grep -q 'Candidate: [0-9]'; then
    echo "apt-get install python$python_version python$python_version-venv python$python_version-dev"
  fi
  echo "pyenv install $python_version"
  echo "uv python install $python_version"
  [[ $(type -P python3) ]] || echo "apt-get install python3-venv (setup can then fetch uv and Python $python_version itself)"
}

# --- what else is missing ----------------------------------------------------------------------

check_machine() {
  local missing=() packages=() free_mib needed_mib=$((NEEDED_MIB + cuda * NEEDED_CUDA_MIB))
  has_venv "$python" || { missing+=("the venv and ensurepip modules of $python"); packages+=("python$python_version-venv"); }
  has_headers "$python" || { missing+=("the C headers (Python.h) of $python"); packages+=("python$python_version-dev"); }
  [[ $(type -P g++) ]] || { missing+=("g++, the C++ compiler: some packages come as source only"); packages+=(g++); }
  [[ $(type -P make) ]] || { missing+=("make"); packages+=(make); }
  free_mib=$(df -Pm . | awk 'NR == 2 { print $4 }')
  ((free_mib >= needed_mib)) || missing+=("disk space: $free_mib MiB free under $PWD, $needed_mib needed")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  [[ ${#packages[@]} -eq 0 ]] || missing+=("remedy: apt-get install ${packages[*]}")
  die "missing:" "${missing[@]/#/  }"
}

# --- installing --------------------------------------------------------------------------------

# The named packages' lines of the lock, hashes included.
lock_entries() {
  awk -v names=" $* " '/^[a-z0-9]/ { split($1, part, "=="); wanted = index(names, " " part[1] " ") } wanted' "$lock"
}

# A constraint of the machine's pip configuration must not argue with the lock.
install_with_pip() {
  PIP_CONSTRAINT=/dev/null PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "$1/bin/python" -m pip install --require-hashes --no-deps -r "$2"
}

# uv reads no pip configuration: hand it the machine's package index, certificate and proxy.
pip_settings_for_uv() {
  local exports
  exports=$({ "$1" -m pip config list | "$1" tools/pip_to_uv.py; } 2>/dev/null) || return 0
  eval "$exports"
}

install() {
  "$python" -m venv "$VENV"
  lock_entries pip setuptools wheel uv >"$VENV/bootstrap.txt"
  install_with_pip "$VENV" "$VENV/bootstrap.txt"
  pip_settings_for_uv "$VENV/bin/python"
  # Source packages are built with the lock's own setuptools and wheel, not with whatever is newest.
  # Bytecode is compiled here, on all cores: importing TFX takes three times as long without.
  "$VENV/bin/uv" pip sync --python "$VENV/bin/python" --require-hashes --no-build-isolation \
    --compile-bytecode "${locks[@]}"
  [[ $cuda == 0 ]] || link_cuda_libraries
}

# TensorFlow 2.16 does not look where NVIDIA's packages put their libraries, but beside its own; the
# links are TensorFlow's documented remedy, and do no harm to later releases.
link_cuda_libraries() {
  local packages
  packages=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  (cd "$packages/tensorflow" && ln -sf ../nvidia/*/lib/*.so* .)
}

# Not `pip install --editable .`: then every process of this environment could import the project, also
# the bare one in which ServingCheck shows that a pushed model needs nothing of it.
install_command() {
  cat >"$VENV/bin/bert-tfx.new" <<'EOF_COMMAND'
#!/bin/sh
venv=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$venv/bin/python" -c 'import os, sys
sys.path[0] = os.path.dirname(sys.prefix)
from pipeline.cli.main import main
sys.exit(main())' "$@"
EOF_COMMAND
  chmod +x "$VENV/bin/bert-tfx.new"
  mv "$VENV/bin/bert-tfx.new" "$VENV/bin/bert-tfx"
}

explain_failure() {
  local remedy="read $LOG, then run make setup again"
  if grep -qiE 'no space left|disk quota' "$LOG"; then
    remedy="free some disk space (uv's cache may be on another disk: UV_CACHE_DIR), then run make setup again"
  elif grep -qiE 'hash mismatch|do not match the hashes' "$LOG"; then
    remedy="the package index serves other files than the lock names: empty its cache, or regenerate the lock with make lock"
  elif grep -qiE 'failed to fetch|connect|timed? ?out|dns|resolve host|certificate' "$LOG"; then
    remedy="check the network and the package index (pip config list), then run make setup again"
  elif grep -qiE 'failed to build|build backend' "$LOG"; then
    remedy="a source package did not compile: see $LOG"
  fi
  tail -n 15 "$LOG" >&2
  die "installing failed; the full log is $LOG" "remedy: $remedy"
}

main() {
  # Two setups in one tree wait for each other; after a kill, the next one waits for orphaned installers.
  exec 9<.
  flock -n 9 || { say "another setup is running in this tree; waiting for it"; flock 9; }

  choose_stack
  if is_done; then install_command; return; fi

  find_python
  [[ $python ]] || fetch_python
  check_machine

  mkdir -p "$VENV"
  rm -f "$STAMP"
  say "stack $stack ($(lock_entries tfx | head -n 1 | cut -d ' ' -f 1), $(lock_entries tensorflow | head -n 1 | cut -d ' ' -f 1)) for glibc $glibc, with $python"
  say "installing $(cat "${locks[@]}" | grep -c '^[a-z0-9]') packages into $VENV; log: $LOG"
  find "$VENV" -mindepth 1 -delete # not venv --clear, which would take the open log with it
  install &>"$LOG" || explain_failure
  say "installed in $SECONDS s; now the doctor, which imports everything once"
  "$VENV/bin/python" -I pipeline/doctor.py || die "the doctor found faults in what was installed; see above"
  install_command
  stamp "$python" >"$STAMP.new"
  mv "$STAMP.new" "$STAMP"
  say "ready after $SECONDS s"
}

main "$@"
