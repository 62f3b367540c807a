#!/usr/bin/env bash
# demo.sh DIR   show what cloudfarm does: a control plane and the operator under DIR, or the cluster of your own
# kubeconfig with CLUSTER=current; apply examples/, wait, and print what came of it
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
cd "$root"

if [ "${CLUSTER:-}" = current ]; then
  mkdir -p "${1:?usage: demo.sh DIR}"
  dir=$(cd "$1" && pwd)
  command -v kubectl >/dev/null || { echo "kubectl is needed for CLUSTER=current" >&2; exit 1; }
  mkdir -p "$dir/bin"
  ln -sf "$(command -v kubectl)" "$dir/bin/kubectl"
  (umask 077; kubectl config view --raw --minify --flatten > "$dir/kubeconfig")
  echo "using the cluster of your current context: $(kubectl config current-context)"
  echo "building cloudfarm (about 2 minutes the first time)"
  cargo build --locked --quiet --bin cloudfarm
  "$here/operator.sh" "$dir" "$root/target/debug/cloudfarm"
else
  "$here/up.sh" "${1:?usage: demo.sh DIR}"
  dir=$(cd "$1" && pwd)
fi

export KUBECONFIG=$dir/kubeconfig PATH=$dir/bin:$PATH
title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
shown() { printf '$ kubectl %s\n' "$*"; kubectl "$@"; }

title "Three customers: one file each, applied in any order"
shown apply -f examples/quickstart.yaml -f examples/beta.yaml -f examples/acme
kubectl wait --for=condition=Ready tenant/quickstart tenant/acme tenant/beta --timeout=90s >/dev/null || true
kubectl wait --for=condition=Ready tnet --all -A --timeout=60s >/dev/null || true

title "The tenants, their networks, and how long their data is kept"
shown get cft,tnet,ret -A

title "What the operator made of acme"
shown describe quota cloudfarm -n cf-acme
shown get networkpolicy,rolebinding -n cf-acme
if kubectl get crd virtualmachines.kubevirt.io >/dev/null 2>&1; then
  shown get vm,datavolume -n cf-acme
  [ "${CLUSTER:-}" = current ] || echo "(KubeVirt's and CDI's controllers do not run in this demo; a stand-in says that VMs run)"
else
  echo "(KubeVirt is not installed here: the tenants say so, and their VMs follow when it is)"
fi

title "Beta's contract has ended: a purge is scheduled, and not before the promised 60 days"
shown get cronjob -n cloudfarm-system
kubectl get ret beta -o jsonpath='{.status.next}{"\n"}'

title "Somebody deletes acme's wall"
before=$(kubectl get networkpolicy cloudfarm-default-deny -n cf-acme -o jsonpath='{.metadata.uid}')
shown delete networkpolicy cloudfarm-default-deny -n cf-acme
until after=$(kubectl get networkpolicy cloudfarm-default-deny -n cf-acme -o jsonpath='{.metadata.uid}' 2>/dev/null) && [ -n "$after" ]; do sleep 0.1; done
echo "it is back: uid $before was deleted, uid $after stands"

title "Somebody deletes the Tenant"
printf '$ kubectl delete tenant acme\n'
until ! said=$(kubectl delete tenant acme --dry-run=server 2>&1); do sleep 0.2; done
echo "$said"

title "Look around"
if [ "${CLUSTER:-}" = current ]; then
  echo "kubectl describe tenant acme        kubectl get events --field-selector reason=AsDeclared"
  echo "stop the operator: kill $(cat "$dir/operator.pid")    log: $dir/operator.log"
else
  echo "export KUBECONFIG=$dir/kubeconfig   (kubectl: $dir/bin/kubectl)"
  echo "kubectl describe tenant acme        kubectl explain tenant.spec.virtualMachines"
  echo "target/debug/cloudfarm render -f examples/acme     what the operator would apply, without any cluster"
  echo "log: $dir/operator.log    every call: $dir/audit.log    stop everything: make down"
fi
