#!/usr/bin/env bash
# Runs the fuzz targets of the codec for the given number of seconds each, from a seed if one is given: then each run
# draws the same inputs, as far as it comes. Stops at the first finding, with exit code 1; says why and succeeds where
# there is no nightly compiler or no cargo-fuzz and it cannot be installed.
set -euo pipefail
cd "$(dirname "$0")/../../rust/v2g-exi"
seconds=${1:?seconds for each target}
seed=${2:-0} # 0: another one each time

skip() { echo "fuzz skipped: $1"; exit 0; }
cargo +nightly --version >/dev/null 2>&1 || skip "no nightly Rust compiler"
cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-fuzz || skip "no cargo-fuzz"

seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
python3 ../../tools/fuzz/seeds.py "$seeds"
for target in decode roundtrip explain; do
  mkdir -p "fuzz/corpus/$target"
  echo "--- $target"
  cargo +nightly fuzz run --release "$target" "fuzz/corpus/$target" "$seeds" -- \
    -seed="$seed" -max_total_time="$seconds" -max_len=8192 -rss_limit_mb=1024 -timeout=5 -print_final_stats=1 2>&1 |
    grep -E "DONE|stat::(number_of_executed|average_exec|peak_rss)|SUMMARY|panicked|Test unit written|^error" ||
    exit 1
  compgen -G "fuzz/artifacts/$target/*" >/dev/null && exit 1
done
exit 0
