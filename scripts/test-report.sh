#!/usr/bin/env bash
# Opens reports of real runs in headless Chromium: no error on the console, all charts with axes and legends, pictures that
# are not blank. Usage: test-report.sh ITOP [FOLDER for the screenshots]. Left out, and said so, where there is no Chromium.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
itop=${1:-${CARGO_TARGET_DIR:-target}/release/itop}
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$chromium" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || true
    chromium=$(command -v chromium || true)
fi
if [ -z "$chromium" ]; then
    echo "== no chromium, and none can be installed: the pictures of reports are not looked at"
    exit 0
fi
if ! timeout 60 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --dump-dom about:blank >/dev/null 2>&1; then
    echo "== $chromium does not start here: the pictures of reports are not looked at"
    exit 0
fi
trap 'echo "error: line $LINENO failed: $BASH_COMMAND" >&2' ERR
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
shots=${2:-$place/shots}
mkdir -p "$shots"

train() {
    "$itop" train --preset quick --epochs 2 --set delta_t=1 --sparsity 0.8 --method "$1" --out "$place/$1" >/dev/null 2>&1
}
train rigl && train set && train static
"$itop" report "$place/rigl" >/dev/null
"$itop" report "$place/rigl" "$place/set" "$place/static" --out "$place/three" >/dev/null

# name, page, window, color scheme
shot() {
    # A profile of its own for every start: one that has just ended may still hold the last.
    local flags=(--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --window-size="$3")
    [ "$4" = dark ] && flags+=(--blink-settings=preferredColorScheme=0)
    "$chromium" "${flags[@]}" --user-data-dir="$(mktemp -d "$place/profile.XXXXXX")" --enable-logging=stderr --screenshot="$shots/$1.png" "file://$2" 2>"$place/log" >/dev/null
    if grep -E "CONSOLE.*(error|Error|Uncaught|Refused)" "$place/log"; then
        echo "error: $1 has errors on the console" >&2
        exit 1
    fi
    "$chromium" "${flags[@]}" --user-data-dir="$(mktemp -d "$place/profile.XXXXXX")" --dump-dom "file://$2" 2>/dev/null >"$place/dom"
    python3 scripts/check-report.py "$place/dom" "$shots/$1.png"
}
shot light "$place/rigl/report.html" 1280,2400 light
shot dark "$place/rigl/report.html" 1280,2400 dark
shot phone "$place/rigl/report.html" 390,2400 light
shot three "$place/three/report.html" 1280,2400 light
echo "reports look as they should: $(ls "$shots" | wc -l) pictures"
