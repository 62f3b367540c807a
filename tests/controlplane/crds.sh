#!/usr/bin/env bash
# crds.sh DIR SET   install one neighbour's CRDs (kubevirt: its common instance types, too) into the plane under DIR
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${1:?usage: crds.sh DIR SET} set=${2:?usage: crds.sh DIR SET}
neighbours=$("$here/neighbours.sh")
kubectl() { "$dir/bin/kubectl" --kubeconfig "$dir/kubeconfig" "$@"; }

# create, not apply: some are too big for the annotation that apply leaves
for file in "$neighbours/$set"/*.yaml; do
  case $file in */instancetypes.yaml|*kustomiz*.yaml) continue ;; esac
  kubectl create -f "$file" >/dev/null
  kubectl wait --for=condition=Established --timeout=60s -f "$file" >/dev/null
done
if [ "$set" = kubevirt ]; then kubectl create -f "$neighbours/kubevirt/instancetypes.yaml" >/dev/null; fi
