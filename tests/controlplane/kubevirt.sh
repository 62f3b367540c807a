#!/usr/bin/env bash
# kubevirt.sh DIR   run KubeVirt's own virt-api and virt-controller on the running plane under DIR, in the place of the
# stand-in for VMs; the CRDs of kubevirt and cdi must be there (crds.sh), since both programs end when CDI's come or go
#
# Real: admission, subresources, VM -> instance -> launcher pod, with KubeVirt's own rights. Not there: virt-operator,
# whose objects come from its own generators, and virt-handler and CDI, for which kwok speaks (conf/kubevirt-*.yaml).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$here/lib.sh"
umask 077 # keys
dir=$(cd "${1:?usage: kubevirt.sh DIR}" && pwd -P)
for set in kubevirt cdi; do
  case " $(cat "$dir/crds") " in *" $set "*) ;; *) echo "the CRDs of $set are missing: crds.sh $dir $set" >&2; exit 1 ;; esac
done
built=$("$here/build.sh" kubevirt-servers)
neighbours=$("$here/neighbours.sh")
ln -sf "$built"/* "$dir/bin/"
pki=$dir/pki base=$(<"$dir/port") files=$dir/kubevirt
api=$((base + 2)) virt_api=$((base + 7)) virt_controller=$((base + 8))
mkdir -p "$files"

# ---- virt-operator's part. KubeVirt's programs are known by certificates with their accounts' names and groups.
ca kubevirt-ca kubevirt.io
cert virt-api kubevirt-ca /CN=virt-api.kubevirt.pod.cluster.local "DNS:virt-api.kubevirt.svc,IP:127.0.0.1"
cert virt-handler-client kubevirt-ca /CN=kubevirt.io:system:client:virt-handler
cert virt-controller kubevirt-ca /CN=virt-controller.kubevirt.pod.cluster.local "DNS:localhost,IP:127.0.0.1"
for account in apiserver controller; do
  cert kubevirt-$account ca "/O=system:serviceaccounts/O=system:serviceaccounts:kubevirt/CN=system:serviceaccount:kubevirt:kubevirt-$account"
  kubeconfig "$dir/users/kubevirt-$account" kubevirt-$account
done
"$dir/bin/installation" --folder "$files" --ca "$pki/kubevirt-ca.crt" --port "$virt_api" 2>"$dir/log/installation.log"
install_all() { kubectl apply --server-side --force-conflicts --field-manager virt-operator -f "$1" >/dev/null; }
install_all "$files/1-rights.yaml"
start virt-api "$dir/bin/virt-api" --kubeconfig "$dir/users/kubevirt-apiserver" --listen 127.0.0.1 --port "$virt_api" -v 2 \
  --tls-cert-file "$pki/virt-api.crt" --tls-key-file "$pki/virt-api.key" \
  --handler-cert-file "$pki/virt-handler-client.crt" --handler-key-file "$pki/virt-handler-client.key"
install_all "$files/2-services.yaml"
install_all "$here/conf/kubevirt-cr.yaml"
kubectl patch kubevirt kubevirt -n kubevirt --subresource status --type merge -p '{"status": {"phase": "Deployed",
  "observedKubeVirtVersion": "v1.9.0", "targetKubeVirtVersion": "v1.9.0", "operatorVersion": "v1.9.0", "defaultArchitecture": "amd64",
  "conditions": [{"type": "Available", "status": "True", "reason": "AllComponentsReady", "message": ""}]}}' >/dev/null
# What virt-handler finds out about a node: its machine types, and that it could encrypt guests' memory either way.
kubectl label node -l type=kwok machine-type.node.kubevirt.io/{q35,pc-q35-rhel9.6.0}=true kubevirt.io/sev=true kubevirt.io/sev-snp=true kubevirt.io/tdx=true >/dev/null
for node in $(kubectl get node -l type=kwok -o name); do
  kubectl patch "$node" --subresource status --type merge -p '{"status": {
    "capacity": {"devices.kubevirt.io/sev": "100", "devices.kubevirt.io/tdx": "100"},
    "allocatable": {"devices.kubevirt.io/sev": "100", "devices.kubevirt.io/tdx": "100"}}}' >/dev/null
done
start virt-controller "$dir/bin/virt-controller" --kubeconfig "$dir/users/kubevirt-controller" --listen 127.0.0.1 --port "$virt_controller" -v 2 \
  --prom-cert-file "$pki/virt-controller.crt" --prom-key-file "$pki/virt-controller.key" \
  --launcher-image registry.invalid/kubevirt/virt-launcher:v1.9.0 --exporter-image registry.invalid/kubevirt/virt-exportserver:v1.9.0
wait_for virt-api curl -skf --max-time 2 "https://127.0.0.1:$virt_api/openapi/v2"
install_all "$files/3-webhooks.yaml"
wait_for virt-controller curl -skf --max-time 2 "https://127.0.0.1:$virt_controller/healthz"
kubectl wait --for=condition=Available apiservice v1.subresources.kubevirt.io --timeout=60s >/dev/null

stop kwok
start_kwok "$neighbours"
