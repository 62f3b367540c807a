#!/usr/bin/env bash
# build.sh [PROFILE [OUT]]   cloudfarm as an OCI image: OUT/cloudfarm.tar, and in OUT/digest the digest it is known by
#
# PROFILE is Cargo's (release), OUT a folder (target/image), NAME in the environment what the image is called. The
# program is linked statically, with the C library in it: the image holds it, /etc/passwd and nothing else. It is built
# in a mount namespace where the checkout is /mnt/cloudfarm, and nothing of the image is later than SOURCE_DATE_EPOCH.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
cd "$root"
profile=${1:-release} out=${2:-target/image}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
name=${NAME:-registry.invalid/cloudfarm:$version}
target=$(uname -m)-unknown-linux-gnu

# What a surrounding `cargo test` says about itself would make build scripts run anew each time.
unset "${!CARGO_PKG_@}" CARGO_MANIFEST_DIR CARGO_MANIFEST_PATH CARGO_MANIFEST_LINKS
# What is shipped says which crates are in it (`cargo audit bin` reads it); tests do without the tool for that.
cargo=(cargo)
[ "$profile" != release ] || cargo=("$(tests/cargo-tool.sh cargo-auditable 0.7.0)" auditable)

# Paths get into a program in more ways than can be mapped away: the compiler sees the same ones on every machine.
[[ $root/ != /mnt/* ]] || { echo "$root: the build happens in a /mnt of its own; choose a checkout elsewhere" >&2; exit 1; }
user=(); [ "$(id -u)" = 0 ] || user=(--map-root-user)
unshare "${user[@]}" --mount bash -euc '
  root=$1 home=$2; shift 2
  mount -t tmpfs build /mnt
  mkdir /mnt/cloudfarm /mnt/cargo
  mount --bind "$root" /mnt/cloudfarm
  mount --bind "$home" /mnt/cargo
  cd /mnt/cloudfarm
  exec "$@"
' build "$root" "${CARGO_HOME:-$HOME/.cargo}" \
  env CARGO_HOME=/mnt/cargo CARGO_TARGET_DIR=/mnt/cloudfarm/target/image-build RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" \
  CARGO_ENCODED_RUSTFLAGS=$'-C\x1ftarget-feature=+crt-static\x1f-C\x1fstrip=symbols' \
  "${cargo[@]}" build --locked --quiet --profile "$profile" --target "$target" --bin cloudfarm
[ "$profile" = dev ] && folder=debug || folder=$profile
binary=target/image-build/$target/$folder/cloudfarm
if readelf --wide --program-headers "$binary" | grep -q INTERP; then echo "$binary wants a dynamic loader, and the image has none" >&2; exit 1; fi

mkdir -p "$out"
files=$(mktemp -d "$out/files.XXXXXX")
trap 'rm -rf "$files"' EXIT
mkdir "$files/etc"
cp "$binary" "$files/cloudfarm"
echo 'cloudfarm:x:65532:65532::/:/nonexistent' > "$files/etc/passwd"
"$here/pack.sh" "$files" "$out/cloudfarm.tar" "$name" 65532:65532 /cloudfarm > "$out/digest"
echo "$out/cloudfarm.tar  $(du -h "$out/cloudfarm.tar" | cut -f 1)  $name@$(<"$out/digest")"
