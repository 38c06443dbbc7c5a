#!/usr/bin/env bash
# Debian unstable in a folder, for what Debian 12 is too old for: Mesa 26 with its drivers for GPUs that are not here, Wine 10.
# As root, for it changes its root; the folder is kept.
#
#   scripts/debian-sid.sh install PACKAGE...   # makes the folder at first use
#   scripts/debian-sid.sh run COMMAND...       # there, in this working directory
#   scripts/debian-sid.sh root                 # prints where the folder is
#
# ITOP_SID names another folder than /var/cache/itop/debian-sid.
set -euo pipefail

root=${ITOP_SID:-/var/cache/itop/debian-sid}
project=$(cd "$(dirname "$0")/.." && pwd)

fail() {
    echo "error: $1" >&2
    exit 2
}

# The machine's own source of Debian's packages; nothing where it has none, and debootstrap's default is taken.
mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
        grep -vE '^\s*#' | grep -oE '[a-z+]+://[^ ]+/debian/?( |$)' | head -n 1 || true
}

install() {
    if [ ! -e "$root/itop-ready" ]; then
        if ! command -v debootstrap >/dev/null; then
            apt-get update -qq
            apt-get install -qq -y debootstrap >/dev/null || fail "no debootstrap: install it (Debian and Ubuntu have a package)"
        fi
        rm -rf "$root"
        mkdir -p "$root"
        # shellcheck disable=SC2046 # no word where there is no mirror
        debootstrap --variant=minbase sid "$root" $(mirror) >"$root.log" 2>&1 ||
            fail "debootstrap failed; its log is $root.log"
        touch "$root/itop-ready"
    fi
    local missing=()
    for package in "$@"; do
        chroot "$root" dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    # A mirror may be of another day than the machine.
    inside apt-get -o Acquire::Check-Valid-Until=false update -qq
    inside env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >"$root.log" 2>&1 ||
        fail "apt-get cannot install ${missing[*]} in $root; its log is $root.log"
}

# In a mount namespace of its own: nothing stays mounted, and several may run side by side.
inside() {
    local target
    target=$(realpath -m "${CARGO_TARGET_DIR:-$project/target}")
    mkdir -p "$root$project" "$root$target" "$root$PWD" "$target"
    unshare --mount --propagation private bash -euc '
        root=$1; shift
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        for folder in "$1" "$2" "$3"; do
            mountpoint -q "$root$folder" || mount --bind "$folder" "$root$folder"
        done
        here=$3; shift 3
        exec chroot "$root" env -C "$here" HOME=/root XDG_RUNTIME_DIR=/tmp "$@"
    ' bash "$root" "$project" "$target" "$PWD" "$@"
}

[ "$(id -u)" = 0 ] || fail "only root may change its root; run it with sudo"
case ${1:-} in
install) shift && install "$@" ;;
run)
    shift
    [ -e "$root/itop-ready" ] || fail "there is no Debian in $root yet; $0 install makes it"
    inside "$@"
    ;;
root) echo "$root" ;;
*) fail "usage: $0 install PACKAGE... | run COMMAND... | root" ;;
esac
