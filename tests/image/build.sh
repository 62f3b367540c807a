#!/usr/bin/env bash
# build.sh [PROFILE [OUT]]   cloudfarm as an OCI image: OUT/cloudfarm.tar, and in OUT/digest the digest it is known by
#
# PROFILE is Cargo's (release), OUT a folder (target/image), NAME in the environment what the image is called. The
# program is linked statically, with the C library in it: the image holds it, /etc/passwd and nothing else. Paths of
# this checkout do not get into it, and nothing of the image is later than SOURCE_DATE_EPOCH.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
cd "$root"
profile=${1:-release} out=${2:-target/image}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
name=${NAME:-registry.invalid/cloudfarm:$version}
target=$(uname -m)-unknown-linux-gnu

flags=(-C target-feature=+crt-static -C strip=symbols
  "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" "--remap-path-prefix=$root=/cloudfarm")
# What a surrounding `cargo test` says about itself would make build scripts run anew each time.
unset "${!CARGO_PKG_@}" CARGO_MANIFEST_DIR CARGO_MANIFEST_PATH CARGO_MANIFEST_LINKS
# What is shipped says which crates are in it (`cargo audit bin` reads it); tests do without the tool for that.
cargo=(cargo)
[ "$profile" != release ] || cargo=("$(tests/cargo-tool.sh cargo-auditable 0.7.0)" auditable)
# --target keeps the flags from build scripts and macros, which cannot be static.
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; printf %s "${flags[*]}") \
  "${cargo[@]}" build --locked --quiet --profile "$profile" --target "$target" --bin cloudfarm
[ "$profile" = dev ] && folder=debug || folder=$profile
binary=${CARGO_TARGET_DIR:-target}/$target/$folder/cloudfarm
if readelf --wide --program-headers "$binary" | grep -q INTERP; then echo "$binary wants a dynamic loader, and the image has none" >&2; exit 1; fi

mkdir -p "$out"
files=$(mktemp -d "$out/files.XXXXXX")
trap 'rm -rf "$files"' EXIT
mkdir "$files/etc"
cp "$binary" "$files/cloudfarm"
echo 'cloudfarm:x:65532:65532::/:/nonexistent' > "$files/etc/passwd"
"$here/pack.sh" "$files" "$out/cloudfarm.tar" "$name" 65532:65532 /cloudfarm > "$out/digest"
echo "$out/cloudfarm.tar  $(du -h "$out/cloudfarm.tar" | cut -f 1)  $name@$(<"$out/digest")"
