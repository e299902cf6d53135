# What the scripts of test.d share; packaging/test sets PROGRAM, SOURCE, VERSION, WORK, TOOLS and RELEASE before.
# shellcheck shell=bash
set -euo pipefail
: "${PROGRAM:?run this by packaging/test}" "${SOURCE:?}" "${VERSION:?}" "${WORK:?}" "${TOOLS:?}" "${RELEASE:?}"

# Says what holds, once it is seen to.
holds() { echo "   ok: $*"; }

fail() {
    echo "   WRONG: $*" >&2
    exit 1
}

# The part ends here without a verdict.
skip() {
    echo "   SKIPPED: $*"
    exit 77
}

has() { command -v "$1" >/dev/null 2>&1; }

# A directory that goes with the script.
scratch() {
    SCRATCH=$(mktemp -d "$WORK/scratch.XXXXXX")
    trap 'rm -rf "$SCRATCH"' EXIT
}

# The tool of that version, built once: cargo_tool NAME VERSION [ARGUMENT]…
cargo_tool() {
    local name=$1 version=$2
    shift 2
    if [ "$("$TOOLS/bin/$name" --version 2>/dev/null | grep -o '[0-9][0-9.]*' | head -n 1)" = "$version" ]; then return; fi
    echo "   building $name $version"
    # Small and quick to build; it runs for seconds.
    CARGO_PROFILE_DEV_DEBUG=none CARGO_INCREMENTAL=0 cargo install --quiet --locked --debug --root "$TOOLS" --target-dir "$WORK/tools-build" "$name@$version" "$@" ||
        skip "$name $version cannot be built"
}

# Whether `unshare` may make namespaces here.
needs_namespaces() {
    [ "$(id -u)" -eq 0 ] || skip 'only root may make the namespaces that this wants'
    unshare -m -n -p -f true 2>/dev/null || skip 'no namespaces can be made here'
}
