#!/usr/bin/env bash
# Opens reports of real runs in headless Chromium: no error on the console, all charts with axes and legends, pictures that
# are not blank, letters that are large enough and apart at every width, a slider that moves the maps; and looks at the pictures and films of `itop report --png`.
# Usage: test-report.sh ITOP [FOLDER for the screenshots]. Left out, and said so, where there is no Chromium.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
. scripts/skip.sh
itop=${1:-${CARGO_TARGET_DIR:-target}/release/itop}
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$chromium" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || true
    chromium=$(command -v chromium || true)
fi
if [ -z "$chromium" ]; then
    skip "reports in a browser" "no chromium, and none can be installed"
fi
if ! timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$(mktemp -d)" --dump-dom about:blank >/dev/null 2>&1; then
    skip "reports in a browser" "$chromium does not start here"
fi
place=$(mktemp -d)
trap 'code=$?; rm -rf "$place"; [ $code = 0 ] || echo "error: test-report.sh ends with $code" >&2' EXIT
trap 'echo "error: line $LINENO failed: $BASH_COMMAND" >&2' ERR
shots=${2:-$place/shots}
mkdir -p "$shots"

# Says what the program said if it fails.
loud() {
    "$@" >"$place/said" 2>&1 || { cat "$place/said" >&2; return 1; }
}
train() {
    loud "$itop" train --preset quick --epochs 2 --set delta_t=1 --sparsity 0.8 --method "$1" --out "$place/$1"
}
train rigl
train set
train static
loud "$itop" report "$place/rigl" --out "$place/pictures" --png
loud "$itop" report "$place/rigl" "$place/set" "$place/static" --out "$place/three"
cat >"$place/spec.toml" <<'SPEC'
[base]
preset = "quick"
epochs = 1
[grid]
seed = [1, 2]
[[list]]
method = "static"
[[list]]
method = "set"
delta_t = 2
[[list]]
method = "set"
delta_t = 8
SPEC
loud "$itop" sweep plan "$place/spec.toml" --out "$place/sweep"
loud "$itop" sweep run "$place/sweep"
loud "$itop" sweep collect "$place/sweep"
python3 scripts/check-report.py pictures "$place/pictures" "$place/rigl/maps.jsonl"

# Somebody moves the slider to the fourth frame.
moved='<script>{ const s = document.querySelector(".film input"); s.value = 3; s.dispatchEvent(new Event("input")); }</script>'
sed "s#</body>#$moved</body>#" "$place/rigl/report.html" >"$place/moved.html"
# What a reader without scripts sees.
python3 -c 'import re, sys; print(re.sub(r"<script>.*?</script>", "", sys.stdin.read(), flags=re.S))' <"$place/rigl/report.html" >"$place/plain.html"

# name, page, window, color scheme, frame that the slider stands at (or none)
shot() {
    local flags=(--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --window-size="$3")
    [ "$4" = dark ] && flags+=(--blink-settings=preferredColorScheme=0)
    # A profile of its own for every start: one that has just ended may still hold the last. Once more if it hangs.
    browse() {
        local profile
        profile=$(mktemp -d "$place/profile.XXXXXX")
        timeout 120 "$chromium" "${flags[@]}" --user-data-dir="$profile" "$@"
    }
    picture() {
        rm -f "$shots/$1.png"
        browse --enable-logging=stderr --screenshot="$shots/$1.png" "file://$2" >/dev/null 2>"$place/log" && [ -s "$shots/$1.png" ]
    }
    picture "$1" "$2" || picture "$1" "$2" || { cat "$place/log" >&2; return 1; }
    if grep -E "CONSOLE.*(error|Error|Uncaught|Refused)" "$place/log"; then
        echo "error: $1 has errors on the console" >&2
        return 1
    fi
    browse --dump-dom "file://$2" 2>/dev/null >"$place/dom" || browse --dump-dom "file://$2" 2>/dev/null >"$place/dom"
    python3 scripts/check-report.py page "$place/dom" "$shots/$1.png" "$5"
}
# name, page, charts: at each width its letters can be read, and nothing is cut off.
measure() {
    local profile width
    python3 -c 'import sys; page, script = (open(path, encoding="utf-8").read() for path in sys.argv[1:3]); print(page.replace("</body>", f"<script>{script}</script></body>"))' \
        "$2" scripts/measure-report.js >"$place/measured.html"
    for width in 1300 800 420 360; do
        profile=$(mktemp -d "$place/profile.XXXXXX")
        timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --window-size=$width,1200 \
            --user-data-dir="$profile" --dump-dom "file://$place/measured.html" 2>/dev/null >"$place/dom"
        python3 scripts/check-report.py measured "$place/dom" "$3" || { echo "error: $1 at $width pixels" >&2; return 1; }
    done
}
page=$place/rigl/report.html
shot light "$page" 1280,3400 light last
shot dark "$page" 1280,3400 dark last
shot phone "$page" 390,3400 light last
shot moved "$place/moved.html" 1280,3400 light 3
shot plain "$place/plain.html" 1280,3400 light none
shot three "$place/three/report.html" 1280,3400 light last
measure run "$page" 10
measure static "$place/static/report.html" 2
measure three "$place/three/report.html" 8
measure sweep "$place/sweep/collected/report.html" 4
python3 scripts/check-report.py differ "$shots/light.png" "$shots/moved.png"
python3 scripts/check-report.py same-maps "$page" "$place/plain.html"
echo "reports look as they should: $(find "$shots" -name '*.png' | wc -l) pictures"
