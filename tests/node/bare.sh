# A node whose pods somebody else plays, in both address families; sourced by inside.sh, which has started the control plane.
pods=10.244.0.0/16,fd00:244::/64 policies=(--service-cluster-ip-range fd00:96::/112 --enable-ipv6)

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
kubectl create -f - >/dev/null <<NODE
{apiVersion: v1, kind: Node, metadata: {name: node}}
---
{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: node, namespace: kube-node-lease}, spec: {holderIdentity: node}}
NODE
kubectl patch node node --subresource=status --type=merge >/dev/null --patch "status:
  addresses: [{type: InternalIP, address: $address}, {type: InternalIP, address: '$address6'}]
  conditions: [{type: Ready, status: 'True', reason: Played, lastTransitionTime: '$(now)'}]"
beat() { # what a kubelet does, so that its pods are not believed to be lost
  while kubectl patch lease node -n kube-node-lease --type=merge --patch "spec: {leaseDurationSeconds: 40, renewTime: '$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)'}"; do sleep 10; done
}
beat >/dev/null &
