#!/usr/bin/env bash
# down.sh DIR [--wipe]   stop what up.sh started under DIR; --wipe removes its data, too
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
[ -d "${1:?usage: down.sh DIR [--wipe]}" ] || exit 0
dir=$(cd "$1" && pwd -P)
source "$here/lib.sh"

stop_operators
for name in kustomize-controller virt-controller virt-api kwok kube-scheduler kube-controller-manager kube-apiserver etcd; do stop "$name"; done
echo "the control plane is stopped"
if [ "${2:-}" = --wipe ]; then
  "$here/rights.sh" "$dir"
  rm -rf "$dir"/{etcd,pki,users,bin,log,tmp,git,port,crds,kubevirt,kubeconfig,audit.log,operator.kubeconfig}
fi
# last, as it may be the one that runs this
stop owner
if [ "${2:-}" = --wipe ]; then
  rm -rf "$dir/pid" "$dir/lock"
  rmdir --ignore-fail-on-non-empty "$dir"
fi
