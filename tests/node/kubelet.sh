# The node's containers and its kubelet; sourced by inside.sh, which has started the control plane.
pods=10.244.0.0/16 policies=()

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
(umask 077; cert node ca /O=system:nodes/CN=system:node:node "IP:$address"; kubeconfig "$dir/users/node" node)
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
