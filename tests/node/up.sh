#!/usr/bin/env bash
# up.sh DIR [--owner PID] [--bare]
#
# A cluster of one real node under DIR: the control plane of ../controlplane, containerd, runc, CNI's bridge, kubelet,
# kube-proxy, and kube-router's controller of NetworkPolicies. Needs root. Everything runs in network, mount and process
# namespaces of its own, which end with it: nothing of it is left on this machine but an empty /tmp/hostpath_pv, whichever
# way it ends.
#   DIR/kubeconfig  cluster-admin, for who is in that network namespace: DIR/in COMMAND...
#   DIR/audit.log   every call by user and verb      DIR/log  what each program said
# With --bare there is no containerd and no kubelet, and no cgroup: the pods are played by who asked (tests/packets/), in
# both address families. NetworkPolicies are then enforced from the moment on that DIR/enforce exists.
# The node is called `node`. Its StorageClass `cf-jp-encrypted` is a stand-in of ours: Kubernetes' own provisioner for
# development, which keeps each volume as a folder of the node, under DIR/volumes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$here/lib.sh"
[ "$(id -u)" = 0 ] || { echo "a real node needs root: containers, cgroups and network namespaces are made (you are $(id -un))" >&2; exit 1; }
mkdir -p "${1:?usage: up.sh DIR [--owner PID] [--bare]}"
dir=$(cd "$1" && pwd -P); shift
owner= bare=
while [ $# -gt 0 ]; do
  case $1 in
    --owner) owner=${2:?--owner needs a process id}; shift 2 ;;
    --bare) bare=1; shift ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
done
[[ $dir != /run/* ]] || { echo "$dir: the node has a /run of its own; choose a folder elsewhere" >&2; exit 1; }
"$here/packages.sh"
if alive node; then echo "the node is already running: $dir/in kubectl get nodes"; exit 0; fi

mapfile -t built < <("$here/../controlplane/build.sh" node etcd kubernetes kwok)
[ ${#built[@]} = 4 ] || { echo "the node's programs could not be built" >&2; exit 1; }
"$here/../controlplane/neighbours.sh" >/dev/null
mkdir -p "$dir"/{bin,log,pid,volumes}
ln -sf "${built[0]}"/* /usr/bin/containerd "$dir/bin/"
trap '"$here/down.sh" "$dir" >/dev/null' EXIT
trap 'exit 130' INT TERM
if [ -n "$owner" ]; then
  stop owner
  start owner bash "$here/../controlplane/owner.sh" "$dir" "$owner" "$here/down.sh"
fi

delegate() { # HIERARCHY GROUP   of version 2: what the one may give the other, and that to its own
  local folder
  for folder in "$1" "$2"; do
    sed 's/ / +/g; s/^./+&/' "$folder/cgroup.controllers" > "$folder/cgroup.subtree_control" || {
      echo "$folder: its controllers cannot be handed on while it has processes of its own; move these into a group below it" >&2; exit 1; }
  done
}
[ -z "$bare" ] || touch "$dir/bare"
for hierarchy in $([ -n "$bare" ] || hierarchies); do
  group=$hierarchy/$(group_of)
  mkdir -p "$group"
  # Version 1 makes a cpuset empty, version 2 a group without controllers.
  for file in cpuset.cpus cpuset.mems; do [ ! -e "$group/$file" ] || [ -s "$hierarchy/cgroup.controllers" ] || cat "$hierarchy/$file" > "$group/$file"; done
  [ ! -e "$group/cgroup.subtree_control" ] || delegate "$hierarchy" "$group"
done

rm -f "$dir/ready"
start node unshare --net --mount --pid --fork --kill-child --mount-proc bash "$here/inside.sh" "$dir"
until [ -e "$dir/ready" ]; do
  alive node || { echo "the node did not come up:"; tail -n 15 "$dir/log/node.log"; exit 1; } >&2
  sleep 0.1
done
first=$(<"/proc/$(<"$dir/pid/node")/task/$(<"$dir/pid/node")/children")
echo $first > "$dir/pid/first"
printf '#!/bin/sh\n# in COMMAND...   runs it on the node\nPATH=%q:$PATH KUBECONFIG=%q exec nsenter --target %d --net --mount --pid --wdns="$PWD" -- "$@"\n' \
  "$dir/bin" "$dir/kubeconfig" $first > "$dir/in"
chmod +x "$dir/in"
trap - EXIT INT TERM
cat "$dir/log/node.log"
echo "the node is up: $dir/in kubectl get nodes"
