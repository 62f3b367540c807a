#!/usr/bin/env bash
# gitops.sh DIR   run Flux's kustomize-controller on the plane under DIR, with the rights that Flux gives it; its CRDs
# must be there (crds.sh DIR flux). It needs somebody who fetches Git: Flux's own source-controller is not built here.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$here/lib.sh"
dir=$(cd "${1:?usage: gitops.sh DIR}" && pwd -P)
built=$("$here/build.sh" gitops)
ln -sf "$built/kustomize-controller" "$dir/bin/"
mkdir -p "$dir/tmp"

kubectl create namespace flux-system --dry-run=client -o yaml | kubectl apply -f - >/dev/null
kubectl create serviceaccount kustomize-controller -n flux-system --dry-run=client -o yaml | kubectl apply -f - >/dev/null
kubectl create clusterrolebinding kustomize-controller --clusterrole cluster-admin --serviceaccount flux-system:kustomize-controller \
  --dry-run=client -o yaml | kubectl apply -f - >/dev/null
token=$(kubectl create token kustomize-controller -n flux-system --duration 24h)
config=$dir/users/kustomize-controller
(umask 077; cp "$dir/kubeconfig" "$config")
"$dir/bin/kubectl" --kubeconfig "$config" config set-credentials flux --token "$token" >/dev/null
"$dir/bin/kubectl" --kubeconfig "$config" config set-context --current --user flux >/dev/null

health=127.0.0.1:$(( $(<"$dir/port") + 6 ))
start kustomize-controller env KUBECONFIG="$config" RUNTIME_NAMESPACE=flux-system TMPDIR="$dir/tmp" \
  "$dir/bin/kustomize-controller" --watch-all-namespaces --metrics-addr 0 --health-addr "$health" --log-encoding console \
  --concurrent 16 # one that waits for health keeps a place
wait_for kustomize-controller curl -sf --max-time 1 "http://$health/readyz"
