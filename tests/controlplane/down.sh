#!/usr/bin/env bash
# down.sh DIR [--wipe]   stop what up.sh started under DIR; --wipe removes its data, too
set -uo pipefail
[ -d "${1:?usage: down.sh DIR [--wipe]}" ] || exit 0
dir=$(cd "$1" && pwd)
ours() { [ "$(basename "$(readlink "/proc/$2/exe" 2>/dev/null)")" = "$1" ]; } # process ids are used again

for name in kwok kube-scheduler kube-controller-manager kube-apiserver etcd; do
  [ -s "$dir/pid/$name" ] || continue
  process=$(cat "$dir/pid/$name")
  ours "$name" "$process" && kill "$process"
  for _ in $(seq 1 100); do ours "$name" "$process" || break; sleep 0.05; done
  ours "$name" "$process" && kill -9 "$process"
  rm -f "$dir/pid/$name"
done
echo "the control plane is stopped"
if [ "${2:-}" = --wipe ]; then
  rm -rf "$dir"/{etcd,pki,users,bin,log,pid,port,crds,kubeconfig,audit.log,operator.kubeconfig}
fi
