#!/usr/bin/env bash
# mutants.sh [FILE...]   cargo-mutants over the lines that decide about erasing: each is changed by itself, and a test
# has to fail. Without arguments the gate, the dates and the phases. The list is in target/mutants/mutants.out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mutants=$(tests/cargo-tool.sh cargo-mutants 27.1.0)
[ $# -gt 0 ] || set -- src/purge/gate.rs src/retention/ending.rs src/retention/lifecycle.rs
files=()
for file in "$@"; do files+=(-f "$file"); done
exec "$mutants" mutants "${files[@]}" -o target/mutants --no-shuffle --timeout 300 -- --test gate --test retention
