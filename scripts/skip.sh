# To be sourced. skip WHAT WHY: says in one line that a part of the tests cannot run here, and leaves the script: with 0, or, where
# ITOP_REQUIRE is set, with 1. `.ci/run` lists these lines at its end.
skip() {
    echo "skipped: $1: $2"
    [ -z "${ITOP_REQUIRE:-}" ] || exit 1
    exit 0
}
