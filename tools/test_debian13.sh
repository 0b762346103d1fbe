#!/usr/bin/env bash
# Runs `make setup test test-all` on stack 121 in a Debian 13 userland; called by `make test-debian13`, as root.
#
#   DEBIAN13_ROOT   where the userland is kept between runs (default /var/tmp/bert-tfx-debian13, 6 GB)
#   DEBIAN_MIRROR   where Debian is fetched from (default: as this machine's own apt is configured)
#   ARGS            goes to pytest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

USERLAND=${DEBIAN13_ROOT:-/var/tmp/bert-tfx-debian13}
CHECKOUT=/checkout # inside the userland
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt

say() { printf 'test-debian13: %s\n' "$*"; }
die() { say "$@" >&2; exit 1; }

[[ $(id -u) == 0 ]] || die "needs root, for debootstrap, mount and chroot: sudo make test-debian13"

# In a mount namespace of its own every mount goes when the script does, even if it is killed.
if [[ ! ${IN_MOUNT_NAMESPACE:-} ]]; then
  IN_MOUNT_NAMESPACE=1 exec unshare --mount --propagation private "$0" "$@"
fi

debian_mirror() {
  # shellcheck disable=SC2016 # apt-get expands it
  apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 'Created-By: Packages' | head -n 1
}

in_userland() {
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/home LANG=C.UTF-8 TERM="${TERM:-dumb}" \
    DEBIAN_FRONTEND=noninteractive SSL_CERT_FILE=$CERTIFICATES PIP_CERT=$CERTIFICATES \
    "${index_settings[@]}" chroot "$USERLAND" "$@"
}

# The proxy and package index settings of this machine's environment. Paths of this machine do not
# exist inside, so certificates are copied and local folders of packages are left out.
collect_index_settings() {
  local name
  index_settings=()
  for name in $(compgen -e); do
    case $name in
      PIP_FIND_LINKS | PIP_CONSTRAINT | PIP_CERT | PIP_CONFIG_FILE | UV_FIND_LINKS | UV_CACHE_DIR | UV_PYTHON*) ;;
      PIP_* | UV_* | http_proxy | https_proxy | no_proxy | all_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY | ALL_PROXY)
        index_settings+=("$name=${!name}") ;;
    esac
  done
}

build_userland() {
  local mirror=${DEBIAN_MIRROR:-$(debian_mirror)}
  [[ $mirror ]] || { apt-get update >/dev/null && mirror=$(debian_mirror); } # a new machine has no package lists
  [[ $mirror ]] || die "this machine's apt knows no Debian mirror: name one in DEBIAN_MIRROR"
  if [[ ! $(type -P debootstrap) ]]; then
    say "installing debootstrap"
    { apt-get update && apt-get install -y --no-install-recommends debootstrap; } >/dev/null ||
      die "could not install debootstrap; remedy: apt-get install debootstrap"
  fi

  say "building a Debian 13 userland in $USERLAND"
  rm -rf "$USERLAND" "$USERLAND.partial"
  debootstrap --variant=minbase --include=ca-certificates,g++,make trixie "$USERLAND.partial" "$mirror" >"$USERLAND.log" ||
    { tail -n 5 "$USERLAND.log" >&2; die "debootstrap failed; its log is $USERLAND.log"; }
  # Debian 13 has Python 3.13 only. Debian 12's packages of 3.11 install there as they are, from the
  # same mirror and checked by the same keys; an interpreter copied from this machine would have to
  # exist here and to find its libraries there. python3.11-venv wants the python3 of its own release.
  echo "deb $mirror bookworm main" >"$USERLAND.partial/etc/apt/sources.list.d/bookworm.list"
  printf 'Package: %s\nPin: release n=bookworm\nPin-Priority: %s\n\n' \
    '*' 100 'python3 python3-* python3.11* libpython3*' 990 >"$USERLAND.partial/etc/apt/preferences.d/bookworm"
  apt-config dump | grep -E '^Acquire::https?::' >"$USERLAND.partial/etc/apt/apt.conf.d/90host" || true # proxies, if any
  mv "$USERLAND.partial" "$USERLAND"
}

enter_userland() {
  mount -t proc proc "$USERLAND/proc"
  mount --rbind /sys "$USERLAND/sys"
  mount --rbind /dev "$USERLAND/dev"
  cp --dereference /etc/resolv.conf /etc/hosts "$USERLAND/etc/"
  cp --dereference "${PIP_CERT:-${SSL_CERT_FILE:-$CERTIFICATES}}" "$USERLAND$CERTIFICATES"
  local name value
  echo '[global]' >"$USERLAND/etc/pip.conf"
  for name in index-url extra-index-url trusted-host proxy timeout; do
    value=$(python3 -m pip config get "global.$name" 2>/dev/null | tr ' ' '\n' | grep -v '^file:' | tr '\n' ' ') || continue
    echo "$name = $value" >>"$USERLAND/etc/pip.conf"
  done
}

install_python() {
  [[ ! -f $USERLAND/usr/include/python3.11/Python.h ]] || return 0
  say "installing Python 3.11"
  { in_userland apt-get update && in_userland apt-get install -y --no-install-recommends python3.11 python3.11-venv python3.11-dev; } \
    >"$USERLAND.log" 2>&1 || { tail -n 5 "$USERLAND.log" >&2; die "installing Python 3.11 failed; the log is $USERLAND.log"; }
}

# What git tracks and what it would: neither .venv nor output. The userland's own .venv stays.
copy_checkout() {
  mkdir -p "$USERLAND$CHECKOUT"
  find "$USERLAND$CHECKOUT" -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {} +
  git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [[ ! -e $file ]] || printf '%s\0' "$file" # a tracked file may just have been deleted
  done | tar --create --null --files-from - | tar --extract --no-same-owner --directory "$USERLAND$CHECKOUT"
}

collect_index_settings
[[ -d $USERLAND ]] || build_userland
enter_userland
install_python
copy_checkout
say "make setup test test-all in $(in_userland sed -n 's/^PRETTY_NAME=//p' /etc/os-release), $(in_userland getconf GNU_LIBC_VERSION)"
in_userland make --no-print-directory -C "$CHECKOUT" STACK=121 ARGS="${ARGS:-}" setup test test-all
