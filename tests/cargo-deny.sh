#!/usr/bin/env bash
# cargo-deny.sh   hold the dependencies to deny.toml: bans, licences, sources; and advisories where their database can
# be fetched. cargo-deny itself is taken from the path, or installed once, pinned, into the cache.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
version=0.20.2
tools=${CLOUDFARM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cloudfarm}/tools
cd "$root"

if command -v cargo-deny >/dev/null; then
  deny=cargo-deny # a person's own, whatever its version: deny.toml says at once if it is too old
else
  folder=$tools/cargo-deny-$version
  deny=$folder/bin/cargo-deny
  mkdir -p "$tools"
  exec 9>"$tools/cargo-deny.lock"; flock 9 # two checkouts may ask at once
  if [ ! -x "$deny" ]; then
    echo "installing cargo-deny $version: some minutes, once (kept in $folder)" >&2
    # Not in this checkout's target: it would be built anew after every `cargo clean`.
    CARGO_TARGET_DIR=$folder/build cargo install --quiet --locked --root "$folder" --version "=$version" cargo-deny >&2
    rm -rf "$folder/build"
  fi
  exec 9>&-
fi

# Graphs of who needs a duplicate are left out: `cargo tree --duplicates` draws them for whoever wants to act.
"$deny" --locked check --hide-inclusion-graph bans licenses sources

# The one part that needs more than crates.io. Not to reach it is no verdict about this change, and is said.
if timeout 120 "$deny" --locked fetch db >/dev/null 2>&1; then
  "$deny" --locked check --disable-fetch --hide-inclusion-graph advisories
else
  echo "advisories were NOT checked: their database cannot be fetched from here" >&2
fi
