#!/usr/bin/env bash
# up.sh DIR [--crds "SET..."|none] [--owner PID] [--node ADDRESS] [--authentication FILE]
#
# A real Kubernetes 1.37 control plane on loopback under DIR: etcd, kube-apiserver, kube-controller-manager,
# kube-scheduler, and kwok in the place of kubelets (pods "run", Jobs complete, PVCs bind).
#   DIR/kubeconfig  cluster-admin          DIR/audit.log  every call by user and verb, JSON lines
#   DIR/bin         kubectl and the others DIR/log, DIR/pid
# Ports are chosen free and remembered, so DIR can be stopped and started again. A running DIR is left alone.
# A start that fails or is interrupted leaves no process behind; with --owner, the death of that process stops the
# plane and removes its data. CLOUDFARM_CRDS and CLOUDFARM_OWNER_PID do as the options do.
# A kubeconfig DIR/audit-webhook.kubeconfig, put there before kube-apiserver starts (again), has it post its audit events, too.
# With --node there is no kwok, no node and no class of storage: a real kubelet at ADDRESS follows (tests/node/). The API
# server listens there, too, and the Service `kubernetes` leads to it.
# With --authentication the API server takes tokens by that AuthenticationConfiguration, a copy of which stays in DIR.
# A new DIR begins as a copy of a plane that was started before, kept in the cache, with the CRDs in place; that makes
# a start 3 times faster, and planes of one machine share their certificates. CLOUDFARM_SEED=none begins with nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$here/lib.sh"
umask 077 # keys
mkdir -p "${1:?usage: up.sh DIR [--crds SETS] [--owner PID]}"
dir=$(cd "$1" && pwd -P); shift
crds=${CLOUDFARM_CRDS:-$all_sets} owner=${CLOUDFARM_OWNER_PID:-} node= authentication=
while [ $# -gt 0 ]; do
  case $1 in
    --crds) crds=${2:?--crds needs sets or none}; shift 2 ;;
    --owner|--owner-pid) owner=${2:?--owner needs a process id}; shift 2 ;;
    --node) node=${2:?--node needs an address of this machine}; shift 2 ;;
    --authentication) authentication=${2:?--authentication needs a file}; shift 2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
done
[ "$crds" != none ] || crds=
for tool in openssl curl flock setsid; do
  command -v $tool >/dev/null || { echo "$tool is needed: apt-get install -y openssl curl util-linux" >&2; exit 1; }
done

began=$(date +%s%3N)
say() { printf '%5.1f s  %s\n' "$(( ($(date +%s%3N) - began) / 100 ))e-1" "$*"; }
exec 9>"$dir/lock"; flock 9 # two may start the same DIR
servers="etcd kube-apiserver kube-controller-manager kube-scheduler"
[ -n "$node" ] || servers+=" kwok"
running=0; for name in $servers; do ! alive "$name" || running=$((running + 1)); done
if [ $running = "$(wc -w <<< "$servers")" ]; then echo "the control plane is already running: export KUBECONFIG=$dir/kubeconfig"; exit 0; fi

mapfile -t built < <("$here/build.sh" etcd kubernetes kwok)
[ ${#built[@]} = 3 ] || { echo "the control plane's programs could not be built" >&2; exit 1; }
neighbours=$("$here/neighbours.sh")
seeding=
cleanup() {
  trap '' INT TERM # an impatient second Ctrl-C must not end the cleaning up
  "$here/down.sh" "$dir" >/dev/null
  [ -z "$seeding" ] || { "$here/down.sh" "$seeding" --wipe >/dev/null; rm -rf "$seeding"; }
}
trap cleanup EXIT
trap 'exit 130' INT TERM
pki=$dir/pki
mkdir -p "$pki" "$dir"/{log,pid,users,bin}
ln -sf "${built[0]}"/* "${built[1]}"/* "${built[2]}"/* "$dir/bin/"
if [ -n "$owner" ]; then
  stop owner
  start owner bash "$here/owner.sh" "$dir" "$owner"
fi

# ---- the seed: a stopped plane's certificates (loopback, whatever the ports) and etcd data
if [ ! -d "$dir/etcd" ] && [ -n "$crds" ] && [ -z "$node" ] && [ "${CLOUDFARM_SEED:-}" != none ]; then
  seed=$cache/seed-$( (echo "${built[@]}" "$neighbours" "$crds"; cat "$here"/{up,crds,lib}.sh "$here"/conf/*) | digest)
  exec 7>"$cache/seed.lock"; flock 7
  if [ ! -d "$seed" ]; then
    find "$cache" -maxdepth 1 -name 'seed[-.]*' -type d -mtime +14 -exec rm -rf {} + # of older checkouts
    seeding=$(mktemp -d "$cache/seed.XXXXXX")
    CLOUDFARM_SEED=none "$0" "$seeding" --crds "$crds" --owner $$ >/dev/null 7>&-
    "$here/down.sh" "$seeding" >/dev/null
    mkdir "$seeding/seed"
    mv "$seeding"/{pki,etcd,crds} "$seeding/seed/"
    mv -T "$seeding/seed" "$seed"
    rm -rf "$seeding"; seeding=
    say "a seed for this start and the next ones is made"
  fi
  cp -a --sparse=always "$seed/pki" "$seed/crds" "$dir/"
  cp -a --sparse=always "$seed/etcd" "$dir/etcd.part"
  mv "$dir/etcd.part" "$dir/etcd" # last, as it is what tells a new DIR
  exec 7>&-
fi
mkdir -p "$dir/etcd"

# ---- ports: a block of ten below those of Services (NodePort, 30000-32767: an enforcer may open these to everybody) and
# those that outgoing connections get, remembered for the next start
port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
reserve() { # BASE   until the servers listen, so that two starts at the same moment do not choose the same
  local n
  mkdir -p "$cache/ports"
  exec 8>"$cache/ports/$1"; flock -n 8 || return 1
  for n in 0 1 2 3 4 5; do port_free $(($1 + n)) || return 1; done
}
if [ $running = 0 ]; then
  base=$(cat "$dir/port" 2>/dev/null || true)
  if [ -n "$base" ] && ! reserve "$base"; then echo "the ports of the last start, from $base, are taken: choosing others" >&2; base=; fi
  while [ -z "$base" ]; do
    base=$(( 20000 + (RANDOM % 1000) * 10 ))
    reserve "$base" || base=
  done
  echo "$base" > "$dir/port"
fi
base=$(cat "$dir/port")
etcd_url=http://127.0.0.1:$base peer_url=http://127.0.0.1:$((base + 1))
api=$((base + 2)) kcm=$((base + 3)) scheduler=$((base + 4)) # and kwok's, see start_kwok

# ---- certificates: one CA for the cluster, one for the aggregator
ca ca cloudfarm-test-ca
ca front front-proxy-ca
cert apiserver ca /CN=kube-apiserver "DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1"
cert admin ca /O=system:masters/CN=admin
cert kcm ca /CN=system:kube-controller-manager
cert scheduler ca /CN=system:kube-scheduler
cert kwok ca /O=system:masters/CN=kwok
cert kubelet-client ca /O=system:masters/CN=kube-apiserver-kubelet-client
cert kubelet ca /O=system:nodes/CN=system:node:kwok "DNS:localhost,IP:127.0.0.1"
cert front-client front /CN=front-proxy-client
[ -s "$pki/sa.key" ] || { openssl genrsa -out "$pki/sa.key" 2048 2>/dev/null; openssl rsa -in "$pki/sa.key" -pubout -out "$pki/sa.pub" 2>/dev/null; }
kubeconfig "$dir/kubeconfig" admin
for user in kcm scheduler kwok; do kubeconfig "$dir/users/$user" $user; done

start etcd "$dir/bin/etcd" --name cloudfarm --data-dir "$dir/etcd" --unsafe-no-fsync --log-level warn --quota-backend-bytes 8589934592 \
  --listen-client-urls "$etcd_url" --advertise-client-urls "$etcd_url" \
  --listen-peer-urls "$peer_url" --initial-advertise-peer-urls "$peer_url" --initial-cluster "cloudfarm=$peer_url"
wait_for etcd curl -sf --max-time 1 "$etcd_url/health"
# The Service `kubernetes` may not have an endpoint on loopback.
if [ -n "$node" ]; then reach=(--bind-address 0.0.0.0 --advertise-address "$node")
else reach=(--bind-address 127.0.0.1 --advertise-address 127.0.0.1 --endpoint-reconciler-type none); fi
[ -z "$authentication" ] || cp "$authentication" "$dir/authentication.yaml"
tokens=()
[ ! -e "$dir/authentication.yaml" ] || tokens=(--authentication-config "$dir/authentication.yaml")
post=() # no more than a second late, as a test cannot wait for the usual 30
[ ! -e "$dir/audit-webhook.kubeconfig" ] || post=(--audit-webhook-config-file "$dir/audit-webhook.kubeconfig"
  --audit-webhook-batch-max-wait 1s --audit-webhook-initial-backoff 1s)
start kube-apiserver "$dir/bin/kube-apiserver" --etcd-servers "$etcd_url" "${reach[@]}" --secure-port "$api" "${tokens[@]}" \
  --service-cluster-ip-range 10.96.0.0/16 --allow-privileged --shutdown-delay-duration 0s \
  --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" --client-ca-file "$pki/ca.crt" \
  --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction,OwnerReferencesPermissionEnforcement \
  --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$pki/sa.pub" --service-account-signing-key-file "$pki/sa.key" \
  --requestheader-client-ca-file "$pki/front.crt" --requestheader-allowed-names front-proxy-client \
  --requestheader-extra-headers-prefix X-Remote-Extra- --requestheader-group-headers X-Remote-Group --requestheader-username-headers X-Remote-User \
  --proxy-client-cert-file "$pki/front-client.crt" --proxy-client-key-file "$pki/front-client.key" \
  --kubelet-certificate-authority "$pki/ca.crt" --kubelet-client-certificate "$pki/kubelet-client.crt" \
  --kubelet-client-key "$pki/kubelet-client.key" --kubelet-preferred-address-types InternalIP \
  --audit-policy-file "$here/conf/audit-policy.yaml" --audit-log-path "$dir/audit.log" --audit-log-maxsize 0 "${post[@]}"
wait_for kube-apiserver curl -sf --max-time 2 --cacert "$pki/ca.crt" --cert "$pki/admin.crt" --key "$pki/admin.key" "https://127.0.0.1:$api/readyz"
say "kube-apiserver is ready"

if [ -n "$crds" ] && [ ! -e "$dir/crds" ]; then
  "$here/crds.sh" "$dir" $crds
  say "the neighbours' CRDs are in: $crds"
fi

# After the CRDs: the quota controller looks for new kinds only every 30 s, and until it counts one the API server
# refuses objects of that kind wherever a quota names it.
# That it works is seen by a service account that it makes; kept data may have all of them already.
alive kube-controller-manager || kubectl delete serviceaccount default -n kube-node-lease >/dev/null 2>&1 || true
# Quotas are counted anew every 10 s instead of every 5 minutes: a test that installs KubeVirt late cannot wait so long.
start kube-controller-manager "$dir/bin/kube-controller-manager" --kubeconfig "$dir/users/kcm" --authentication-kubeconfig "$dir/users/kcm" --authorization-kubeconfig "$dir/users/kcm" \
  --kube-api-qps 400 --kube-api-burst 800 --resource-quota-sync-period 10s --bind-address 127.0.0.1 --secure-port "$kcm" --leader-elect=false --use-service-account-credentials --enable-hostpath-provisioner \
  --service-account-private-key-file "$pki/sa.key" --root-ca-file "$pki/ca.crt" --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
  --allocate-node-cidrs --cluster-cidr 10.244.0.0/16 --service-cluster-ip-range 10.96.0.0/16
start kube-scheduler "$dir/bin/kube-scheduler" --kubeconfig "$dir/users/scheduler" --authentication-kubeconfig "$dir/users/scheduler" --authorization-kubeconfig "$dir/users/scheduler" \
  --kube-api-qps 400 --kube-api-burst 800 --bind-address 127.0.0.1 --secure-port "$scheduler" --leader-elect=false
if [ -z "$node" ]; then
  start_kwok "$neighbours"
  i=0; for zone in a b c; do i=$((i + 1)); sed "s/@N@/$i/g; s/@Z@/$zone/g" "$here/conf/nodes.yaml.in"; done | kubectl apply -f - -f "$here/conf/storage.yaml" >/dev/null
  kubectl wait --for=condition=Ready node -l type=kwok --timeout=60s >/dev/null
fi
wait_for kube-controller-manager kubectl get serviceaccount default -n kube-node-lease
wait_for kube-scheduler curl -skf --max-time 2 "https://127.0.0.1:$scheduler/healthz"

trap - EXIT INT TERM
say "the control plane is up: export KUBECONFIG=$dir/kubeconfig PATH=$dir/bin:\$PATH"
