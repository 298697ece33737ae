#!/bin/sh
# Measures divvy beside vmagent and the Prometheus agent: see main.go.
# BENCH_ROUNDS and BENCH_SECONDS set how often and how long; further arguments
# are flags of the runner (-h lists them). With -micro as the first it runs the
# micro-benchmarks instead; further arguments are then flags of go test.
set -eu
cd "$(dirname "$0")/.."
command -v taskset >/dev/null || { echo "bench: taskset is missing (package util-linux)" >&2; exit 1; }
[ "$(nproc)" -ge 2 ] || { echo "bench: two cores are needed" >&2; exit 1; }
if [ "${1:-}" = -micro ]; then
	shift
	exec taskset -c 0 go test -run '^$' -bench . "$@" ./bench/micro
fi
mkdir -p bench/.cache
go build -o bench/.cache/bench ./bench
exec bench/.cache/bench "$@"
