#!/usr/bin/env bash
# cargo-deny.sh   hold the dependencies to deny.toml: bans, licences, sources; and advisories where their database can
# be fetched. cargo-deny itself is taken from the path, or installed once, pinned, into the cache.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"

# A person's own, whatever its version: deny.toml says at once if it is too old.
deny=$(command -v cargo-deny || tests/cargo-tool.sh cargo-deny 0.20.2)

# Graphs of who needs a duplicate are left out: `cargo tree --duplicates` draws them for whoever wants to act.
"$deny" --locked check --hide-inclusion-graph bans licenses sources

# The one part that needs more than crates.io. Not to reach it is no verdict about this change, and is said.
if timeout 120 "$deny" --locked fetch db >/dev/null 2>&1; then
  "$deny" --locked check --disable-fetch --hide-inclusion-graph advisories
else
  echo "advisories were NOT checked: their database cannot be fetched from here" >&2
fi
