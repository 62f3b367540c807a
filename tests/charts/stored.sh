#!/usr/bin/env bash
# stored.sh OUT.yaml   our kinds' objects as this version stores them: the examples, one contract of them ended and held
#
# Starts a control plane and the operator of this checkout for it, and stops them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
out=$(realpath "${1:?usage: stored.sh OUT.yaml}")
dir=$(mktemp -d)
trap '"$root/tests/down.sh" "$dir" >/dev/null; rm -rf "$dir"' EXIT
cd "$root"
tests/up.sh "$dir" >&2
export KUBECONFIG=$dir/kubeconfig PATH=$dir/bin:$PATH
kubectl apply -f examples/quickstart.yaml -f examples/beta.yaml >&2
kubectl apply -f examples/acme/10-tenant.yaml >&2
kubectl wait --for=create namespace/cf-acme --timeout=60s >&2
kubectl apply -f examples/acme >&2
kubectl wait --for=condition=Ready tenants --all --timeout=120s >&2
kubectl wait --for=condition=Ready tenantnetworks --all --all-namespaces --timeout=120s >&2
kubectl patch tenant beta --type=merge -p '{"spec":{"contract":{"endDate":"2026-09-30"}}}' >&2
kubectl wait --for=jsonpath='{.status.phase}'=Grace retention/beta --timeout=60s >&2
kubectl patch retention beta --type=merge -p '{"spec":{"legalHold":{"active":true,"reference":"CASE-1","placedBy":"admin"}}}' >&2
kubectl wait --for=jsonpath='{.status.phase}'=Held retention/beta --timeout=60s >&2
{
  echo "# Objects as this version stored them: made by tests/charts/stored.sh; do not edit."
  kubectl get tenants,tenantnetworks,retentions --all-namespaces -o json |
    jq -c '.items[] | .metadata |= ({name, namespace, labels, annotations} | del(..|nulls) | del(.annotations["kubectl.kubernetes.io/last-applied-configuration"]))' |
    while read -r object; do echo "---"; kubectl create --dry-run=client --validate=false -o yaml -f - <<<"$object"; done
} > "$out"
