#!/usr/bin/env bash
# inside.sh DIR   what up.sh starts as the first process of the node's namespaces: makes DIR/ready when all is up, and stays
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
dir=$1
source "$here/lib.sh"
export PATH=$dir/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
umask 022 # images and volumes are read by others
began=$(date +%s%3N)
say() { printf '%5.1f s  %s\n' "$(( ($(date +%s%3N) - began) / 100 ))e-1" "$*"; }

# ---- what programs write outside DIR goes to memory, and with the namespace
mount --make-rshared / # kubelet's mounts are seen in containers
for folder in /run /var/log /var/lib/cni; do
  mkdir -p "$folder"
  mount -t tmpfs -o mode=0755 node "$folder"
done
mkdir -p /run/netns /run/tmp /tmp/hostpath_pv
export TMPDIR=/run/tmp
# Where Kubernetes' provisioner for development makes folders: what this machine sees there stays empty.
mount --bind "$dir/volumes" /tmp/hostpath_pv
ip link set lo up
ip address add $address/32 dev lo
ip address add $address6/128 dev lo nodad
set_kernel() { # VALUE NAME...   where this kernel has it
  local value=$1 name; shift
  for name in "$@"; do [ ! -e "/proc/sys/net/$name" ] || echo "$value" > "/proc/sys/net/$name"; done
}
set_kernel 1 ipv4/ip_forward ipv6/conf/all/forwarding ipv4/conf/{all,default}/rp_filter
# a refused connection is always told
set_kernel 0 ipv4/icmp_ratelimit ipv6/icmp/ratelimit
set_kernel 100000 ipv4/icmp_msgs_per_sec ipv4/icmp_msgs_burst

crds=none
[ ! -e "$dir/bare" ] || crds="kubevirt cdi"
"$here/../controlplane/up.sh" "$dir" --crds "$crds" --node $address > "$dir/log/controlplane.log" || { cat "$dir/log/controlplane.log"; exit 1; }
say "the control plane is up"
api=$(( $(<"$dir/port") + 2 )) pki=$dir/pki

if [ -e "$dir/bare" ]; then source "$here/bare.sh"; else source "$here/kubelet.sh"; fi

# ---- Services and NetworkPolicies
cat > /run/kube-proxy.yaml <<CONFIG
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: {kubeconfig: $dir/users/proxy}
clusterCIDR: $pods
hostnameOverride: node
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s} # the machine's, not a namespace's
CONFIG
(umask 077; cert proxy ca /CN=system:kube-proxy; kubeconfig "$dir/users/proxy" proxy)
start kube-proxy "$dir/bin/kube-proxy" --config /run/kube-proxy.yaml
kubectl wait --for=condition=Ready node/node --timeout=60s >/dev/null
kubectl label node node node-restriction.kubernetes.io/cloudfarm-country=JP topology.kubernetes.io/zone=jp-east-1a >/dev/null
kubectl apply -f "$here/storage.yaml" >/dev/null
say "the node is ready"
touch "$dir/ready"

until [ ! -e "$dir/bare" ] || [ -e "$dir/enforce" ]; do sleep 0.1; done
# kube-router ends itself when its chains are changed while it is at them. It is started again, as kubelet would.
until start policies "$dir/bin/policies" --kubeconfig "$dir/kubeconfig" --hostname-override node --service-cluster-ip-range 10.96.0.0/16 \
  --service-node-port-range 30000-32767 --iptables-sync-period 60s "${policies[@]}" && wait "$(<"$dir/pid/policies")"; do
  cat "$dir/log/policies.log" >> "$dir/log/policies.ended.log"
  sleep 1
done
wait
