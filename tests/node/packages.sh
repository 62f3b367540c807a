#!/usr/bin/env bash
# packages.sh   install what a node needs from Debian, once, and only what is missing
exec "$(dirname "${BASH_SOURCE[0]}")/../debian.sh" \
  containerd=/usr/bin/containerd \
  runc=/usr/sbin/runc \
  containernetworking-plugins=/usr/lib/cni/bridge \
  iptables=/usr/sbin/iptables \
  ipset=/usr/sbin/ipset \
  iproute2=/usr/sbin/ip \
  busybox-static=/usr/share/doc/busybox-static
