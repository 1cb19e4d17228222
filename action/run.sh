#!/usr/bin/env bash
# Measure, hold the run to its limits, show the verdict, and keep a baseline: what the GitHub action
# and the GitLab template have in common. Everything comes from the environment:
#
#   LENS_BENCHMARK           arguments of `latency-lens benchmark`
#   LENS_THRESHOLDS, LENS_ALLOW_REGRESSION, LENS_METRICS    one a line
#   LENS_BASELINE            a file; without one, latency-lens/baseline.lens if it is there
#   LENS_UPDATE              true: make latency-lens/baseline.lens of a run that passes
#   LENS_REQUIRE_DATA        true: too few data for an answer are a failure
#   LENS_ALLOW_INVALID       true: judge a run that the machine was too busy to measure well
#
# What it writes is in the folder latency-lens: result.json, gate.json, gate.md, baseline.lens. Where
# GitHub runs it, gate.md is added to the step's summary, and the paths are outputs.
set -euo pipefail

out=latency-lens
mkdir -p "$out"
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT
rm -f "$out/result.json" "$out/gate.json" "$out/gate.md"

output() {
    if [ -n "${GITHUB_OUTPUT:-}" ]; then echo "$1=$2" >>"$GITHUB_OUTPUT"; fi
}

# add_flags NAME LINES: each line that is not empty, as a flag of that name.
flags=()
add_flags() {
    local line
    while IFS= read -r line; do
        line=${line#"${line%%[![:space:]]*}"}
        line=${line%"${line##*[![:space:]]}"}
        if [ -n "$line" ]; then flags+=("$1" "$line"); fi
    done <<<"$2"
}

if [ -z "${LENS_BENCHMARK:-}" ]; then
    echo "run.sh: LENS_BENCHMARK is empty: it holds the arguments of latency-lens benchmark" >&2
    exit 2
fi
arguments=()
while IFS= read -r word; do arguments+=("$word"); done < <(xargs printf '%s\n' <<<"$LENS_BENCHMARK")

latency-lens benchmark "${arguments[@]}" --quiet --no-color --raw off --run-dir "$runs/run" \
    --output "$out/result.json"
output result "$out/result.json"

add_flags --threshold "${LENS_THRESHOLDS:-}"
baseline=${LENS_BASELINE:-}
if [ -z "$baseline" ] && [ -f "$out/baseline.lens" ]; then baseline=$out/baseline.lens; fi
if [ -n "$baseline" ]; then
    flags+=(--baseline "$baseline")
    add_flags --allow-regression "${LENS_ALLOW_REGRESSION:-}"
    add_flags --metric "${LENS_METRICS:-}"
fi

code=0
if [ ${#flags[@]} = 0 ]; then
    echo "There is no baseline yet, and no threshold: nothing to hold the run to."
else
    if [ -n "$baseline" ] && [ "${LENS_REQUIRE_DATA:-}" = true ]; then flags+=(--require-data); fi
    if [ "${LENS_ALLOW_INVALID:-}" = true ]; then flags+=(--allow-invalid); fi
    if [ -n "${GITHUB_ACTIONS:-}" ]; then flags+=(--annotations); fi
    latency-lens gate "$runs/run" "${flags[@]}" --no-color \
        --output "$out/gate.json" --markdown "$out/gate.md" || code=$?
    if [ -f "$out/gate.json" ]; then output verdict "$out/gate.json"; fi
    if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f "$out/gate.md" ]; then
        cat "$out/gate.md" >>"$GITHUB_STEP_SUMMARY"
    fi
fi

if [ $code = 0 ]; then
    output passed true
    if [ "${LENS_UPDATE:-}" = true ]; then
        latency-lens baseline "$runs/run" --output "$out/baseline.lens"
        output baseline "$out/baseline.lens"
    fi
else
    output passed false
fi
exit $code
