#!/usr/bin/env bash
# Makes sure that there is an adapter to run on. Installs Mesa's software Vulkan driver, with apt, only where no GPU and
# no Vulkan driver answers; changes nothing else. Needs the built binary (make builds it first).
set -euo pipefail
cd "$(dirname "$0")/.."

itop=${CARGO_TARGET_DIR:-target}/release/itop
answers() { # a GPU by any backend, or any Vulkan driver
    "$itop" adapters --json 2>/dev/null | tr -d ' \n' |
        grep -qE '"backend":"(vulkan|metal|dx12)"|"type":"(discrete|integrated|virtual)"'
}

if answers; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "No adapter answers, and this system has no apt: install a Vulkan driver (Mesa's lavapipe is a software one)." >&2
    exit 3
fi
echo "No GPU and no Vulkan driver answers: installing Mesa's software Vulkan driver with apt."
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
$sudo apt-get update -qq
packages=(mesa-vulkan-drivers libegl1 libegl-mesa0)

# Debian 12's own Mesa (22.3) runs these kernels at a fifth of the speed of the one in its backports (25.0).
backports() {
    local release uri list=/etc/apt/sources.list.d/itop-mesa.list
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    [ "$release" = bookworm ] || return 1
    uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
        grep -vE '^\s*#' | grep -oE '[a-z+]+://[^ ]+/debian/?( |$)' | head -n 1)
    [ -n "$uri" ] || return 1
    echo "deb $uri $release-backports main" | $sudo tee "$list" >/dev/null
    $sudo apt-get update -qq && $sudo apt-get install -qq -y -t "$release-backports" "${packages[@]}" >/dev/null
    local done=$?
    $sudo rm -f "$list"
    return $done
}
backports || $sudo apt-get install -qq -y "${packages[@]}" >/dev/null
$sudo apt-get update -qq || true

if ! answers; then
    echo "Mesa is installed, and still no adapter answers; see the output of: $itop adapters" >&2
    exit 3
fi
"$itop" adapters 2>/dev/null
