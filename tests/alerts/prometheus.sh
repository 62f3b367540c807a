#!/usr/bin/env bash
# prometheus.sh   print the folder of prometheus and promtool
#
# Those of the machine if it has them; otherwise Debian's, unpacked into the cache once. The package is not installed: it
# would start a server.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../controlplane" && pwd -P)
source "$here/lib.sh"

if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
  dirname "$(command -v promtool)"
  exit
fi
folder=$cache/prometheus-debian
mkdir -p "$cache"
exec 9>"$folder.lock"
flock 9
if [ ! -x "$folder/usr/bin/promtool" ]; then
  echo "unpacking Debian's prometheus into $folder: about half a minute" >&2
  rm -rf "$folder.new"
  mkdir "$folder.new"
  cd "$folder.new"
  apt-get update -qq >&2
  apt-get -o APT::Sandbox::User=root download -qq prometheus >&2
  dpkg-deb -x prometheus_*.deb .
  mv "$folder.new" "$folder"
fi
echo "$folder/usr/bin"
