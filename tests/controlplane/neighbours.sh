#!/usr/bin/env bash
# neighbours.sh   gather the neighbours' CRDs (and kwok's stages) from their pinned Go modules; print the folder
#
# Other projects' files are never committed: they are read from the module cache, whose content the checksum database
# vouches for, into <cache>/neighbours-<key>/<set>/*.yaml. The key is this script's and the KubeVirt generator's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CLOUDFARM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cloudfarm}/testbed

kubevirt=$("$here/build.sh" kubevirt)
key=$(echo "$kubevirt" | cat - "$here/neighbours.sh" | sha256sum | cut -c1-16)
done=$cache/neighbours-$key
if [ -d "$done" ]; then echo "$done"; exit 0; fi

part=$(mktemp -d "$cache/neighbours.part.XXXXXX")
trap 'rm -rf "$part"' EXIT
module() { (cd / && GOFLAGS=-mod=mod go mod download -json "$1") | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p'; }
gather() { # SET MODULE FILE...   (patterns inside the module)
  local set=$1 dir file; dir=$(module "$2"); shift 2
  mkdir -p "$part/$set"
  for file in "$@"; do cp $dir/$file "$part/$set/"; done # the pattern expands on purpose
}

mkdir -p "$part/kubevirt"
"$kubevirt/kubevirt" "$part/kubevirt"
gather snapshot github.com/kubernetes-csi/external-snapshotter/client/v8@v8.7.0 'config/crd/snapshot*.yaml'
gather multus github.com/k8snetworkplumbingwg/network-attachment-definition-client@v1.7.7 artifacts/networks-crd.yaml
gather networkpolicy sigs.k8s.io/network-policy-api@v0.2.0 'config/crd/standard/*.yaml'
gather openreports github.com/openreports/reports-api@v0.2.1 'config/crd/*.yaml'
gather prometheus github.com/prometheus-operator/prometheus-operator@v0.85.0 \
  'example/prometheus-operator-crd/*_prometheusrules.yaml' 'example/prometheus-operator-crd/*_servicemonitors.yaml'
gather kwok sigs.k8s.io/kwok@v0.8.0 kustomize/stage/node/fast/node-initialize.yaml \
  kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml \
  'kustomize/stage/pod/fast/pod-*.yaml' 'kustomize/stage/volume/fast/pv*.yaml'
# CDI keeps its CRDs as Go raw strings, one after another.
mkdir -p "$part/cdi"
awk '/^\t"[a-z]+": `/ { sub(/^\t"[a-z]+": `/, ""); print "---"; inside = 1 } /^`,?$/ { inside = 0 } inside { print }' \
  "$(module kubevirt.io/containerized-data-importer@v1.65.0)/pkg/operator/resources/crds_generated.go" > "$part/cdi/crds.yaml"

chmod -R u+w "$part"
mv "$part" "$done" 2>/dev/null || [ -d "$done" ]
trap - EXIT
echo "$done"
