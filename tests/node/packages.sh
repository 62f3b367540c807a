#!/usr/bin/env bash
# packages.sh   install what a node needs from Debian, once, and only what is missing
set -euo pipefail
missing=()
need() { # PACKAGE FILE
  [ -e "$2" ] || missing+=("$1")
}
need containerd /usr/bin/containerd
need runc /usr/sbin/runc
need containernetworking-plugins /usr/lib/cni/bridge
need iptables /usr/sbin/iptables
need ipset /usr/sbin/ipset
need iproute2 /usr/sbin/ip
need busybox-static /usr/share/doc/busybox-static
[ ${#missing[@]} -gt 0 ] || exit 0
echo "installing from Debian, once: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
{ apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } > /dev/null || {
  echo "apt-get could not install them; a Debian 12 with root and a package mirror is needed" >&2; exit 1; }
