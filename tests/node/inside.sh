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
set_kernel() { # VALUE NAME...   where this kernel has it
  local value=$1 name; shift
  for name in "$@"; do [ ! -e "/proc/sys/net/$name" ] || echo "$value" > "/proc/sys/net/$name"; done
}
set_kernel 1 ipv4/ip_forward ipv4/conf/{all,default}/rp_filter
set_kernel 0 ipv4/icmp_ratelimit # a refused connection is always told

"$here/../controlplane/up.sh" "$dir" --crds none --node $address > "$dir/log/controlplane.log" || { cat "$dir/log/controlplane.log"; exit 1; }
say "the control plane is up"
api=$(( $(<"$dir/port") + 2 )) pki=$dir/pki

# ---- containerd: a routed pair of interfaces for each pod, so that policies see every packet
mkdir -p /run/cni
cat > /run/cni/10-node.conflist <<CONFIG
{"cniVersion": "0.4.0", "name": "node", "plugins": [{"type": "ptp", "ipMasq": false,
  "ipam": {"type": "host-local", "dataDir": "/run/cni/addresses", "subnet": "10.244.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}}]}
CONFIG
cat > /run/containerd.toml <<CONFIG
version = 2
root = "/run/containerd-data"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "/run/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/local/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true # root may lack CAP_SYS_RESOURCE
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/run/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
CONFIG
start containerd "$dir/bin/containerd" --config /run/containerd.toml
wait_for containerd ctr version
image() { # NAME ENTRYPOINT...   of busybox alone
  "$here/../image/pack.sh" /run/busybox /run/image.tar "$1" 65534:65534 "${@:2}" >/dev/null
  ctr --namespace k8s.io images import /run/image.tar >/dev/null
}
mkdir -p /run/busybox/bin
cp /bin/busybox /run/busybox/bin/
image docker.io/local/pause:1 /bin/busybox tail -f /dev/null
image docker.io/local/busybox:1 /bin/busybox
say "containerd is up"

# ---- kubelet, with a node's identity and rights
(umask 077; cert node ca /O=system:nodes/CN=system:node:node "IP:$address"; cert proxy ca /CN=system:kube-proxy
  kubeconfig "$dir/users/node" node; kubeconfig "$dir/users/proxy" proxy)
cat > /run/kubelet.yaml <<CONFIG
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
address: 0.0.0.0
tlsCertFile: $pki/node.crt
tlsPrivateKeyFile: $pki/node.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$(group_of)
enforceNodeAllocatable: [none]
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
evictionHard: {memory.available: 50Mi} # its disks are in memory
imageGCHighThresholdPercent: 100
resolvConf: ""
volumePluginDir: /run/volume-plugins
CONFIG
start kubelet "$dir/bin/kubelet" --config /run/kubelet.yaml --kubeconfig "$dir/users/node" --hostname-override node --node-ip $address \
  --root-dir /run/kubelet --cert-dir /run/kubelet-pki
wait_for kubelet kubectl get node node

# ---- Services and NetworkPolicies
cat > /run/kube-proxy.yaml <<CONFIG
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: {kubeconfig: $dir/users/proxy}
clusterCIDR: 10.244.0.0/16
hostnameOverride: node
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s} # the machine's, not a namespace's
CONFIG
start kube-proxy "$dir/bin/kube-proxy" --config /run/kube-proxy.yaml
start policies "$dir/bin/policies" --kubeconfig "$dir/kubeconfig" --hostname-override node --service-cluster-ip-range 10.96.0.0/16 \
  --service-node-port-range 30000-32767 --iptables-sync-period 60s

kubectl wait --for=condition=Ready node/node --timeout=60s >/dev/null
kubectl label node node node-restriction.kubernetes.io/cloudfarm-country=JP topology.kubernetes.io/zone=jp-east-1a >/dev/null
kubectl apply -f "$here/storage.yaml" >/dev/null
say "the node is ready"
touch "$dir/ready"
wait
