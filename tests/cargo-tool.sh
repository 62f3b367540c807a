#!/usr/bin/env bash
# cargo-tool.sh NAME VERSION   install a Cargo command once, pinned, into the cache; print where it is
set -euo pipefail
name=${1:?usage: cargo-tool.sh NAME VERSION} version=${2:?usage: cargo-tool.sh NAME VERSION}
tools=${CLOUDFARM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cloudfarm}/tools
folder=$tools/$name-$version
mkdir -p "$tools"
exec 9>"$tools/$name.lock"; flock 9 # two checkouts may ask at once
if [ ! -x "$folder/bin/$name" ]; then
  echo "installing $name $version: some minutes, once (kept in $folder)" >&2
  # Not in this checkout's target: it would be built anew after every `cargo clean`.
  CARGO_TARGET_DIR=$folder/build cargo install --quiet --locked --root "$folder" --version "=$version" "$name" >&2
  rm -rf "$folder/build"
fi
echo "$folder/bin/$name"
