#!/usr/bin/env bash
# neighbours.sh   gather the neighbours' CRDs (and kwok's stages) from their pinned Go modules; print the folder
#
# Other projects' files are never committed: they are read from the module cache, checked against go.sum, into
# <cache>/neighbours-<key>/<set>/*.yaml.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$here/lib.sh"

kubevirt=$("$here/build.sh" kubevirt)
key=$(echo "$kubevirt" | cat - "$here/neighbours.sh" "$here"/tools/{neighbours,kwok}/go.{mod,sum} "$here/conf/stand-in-ovn.yaml" | digest)
done=$cache/neighbours-$key
if [ -d "$done" ]; then echo "$done"; exit 0; fi

part=$(mktemp -d "$cache/neighbours.part.XXXXXX")
trap 'chmod -R u+w "$part"; rm -rf "$part"' EXIT
module() { # TOOLS MODULE   the module's folder, at the version that tools/TOOLS/go.mod says
  local version answer
  version=$(awk -v path="$2" '$1 == path { print $2 }' "$here/tools/$1/go.mod")
  answer=$(cd "$here/tools/$1" && GOFLAGS=-mod=readonly GOWORK=off go mod download -json "$2@$version") || { echo "$answer" >&2; return 1; }
  sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p' <<< "$answer"
}
gather() { # SET FOLDER FILE...   (patterns inside the folder)
  local set=$1 folder=$2 file; shift 2
  mkdir -p "$part/$set"
  for file in "$@"; do cp "$folder"/$file "$part/$set/"; done # the pattern expands on purpose
}

mkdir -p "$part/kubevirt" "$part/instancetypes"
"$kubevirt/kubevirt" "$part/kubevirt"
mv "$part/kubevirt/instancetypes.yaml" "$part/instancetypes/"

folder=$(module neighbours github.com/kubernetes-csi/external-snapshotter/client/v8)
gather snapshot "$folder" 'config/crd/*snapshot.storage.k8s.io_*.yaml'
folder=$(module neighbours github.com/k8snetworkplumbingwg/network-attachment-definition-client)
gather multus "$folder" artifacts/networks-crd.yaml
folder=$(module neighbours sigs.k8s.io/network-policy-api)
gather networkpolicy "$folder" 'config/crd/standard/policy.networking.k8s.io_*.yaml'
folder=$(module neighbours github.com/k8snetworkplumbingwg/multi-networkpolicy)
gather multinetworkpolicy "$folder" scheme.yml
mv "$part/multinetworkpolicy/scheme.yml" "$part/multinetworkpolicy/scheme.yaml"
folder=$(module neighbours github.com/cert-manager/cert-manager)
gather certmanager "$folder" deploy/crds/cert-manager.io_{certificates,issuers,clusterissuers}.yaml
gather ovn "$here/conf" stand-in-ovn.yaml
folder=$(module neighbours github.com/openreports/reports-api)
gather openreports "$folder" 'config/crd/openreports.io_*.yaml'
folder=$(module neighbours github.com/prometheus-operator/prometheus-operator)
gather prometheus "$folder" 'example/prometheus-operator-crd/*_prometheusrules.yaml' 'example/prometheus-operator-crd/*_servicemonitors.yaml'
folder=$(module neighbours github.com/fluxcd/kustomize-controller)
gather flux "$folder" 'config/crd/bases/*.yaml'
folder=$(module neighbours github.com/fluxcd/source-controller)
gather flux "$folder" 'config/crd/bases/*.yaml'
folder=$(module neighbours github.com/vmware-tanzu/velero)
gather velero "$folder" 'config/crd/v1/bases/velero.io_*.yaml'
# CDI keeps its CRDs as Go raw strings, one after another.
folder=$(module neighbours kubevirt.io/containerized-data-importer)
mkdir -p "$part/cdi"
awk '/^\t"[a-z]+": `/ { sub(/^\t"[a-z]+": `/, ""); print "---"; inside = 1 } /^`,?$/ { inside = 0 } inside { print }' \
  "$folder/pkg/operator/resources/crds_generated.go" > "$part/cdi/crds.yaml"

folder=$(module kwok sigs.k8s.io/kwok)
gather kwok "$folder" kustomize/stage/node/fast/node-initialize.yaml kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml \
  kustomize/stage/pod/fast/pod-{ready,delete}.yaml 'kustomize/stage/volume/fast/pv*.yaml'
# A Job's pod completes at once. Two annotations on a pod let a test have it otherwise: test.cloudfarm/outcome is
# "fail" (exit code 3) or "hang" (runs on and on), test.cloudfarm/run-for is how long it runs first, like "3s".
stage() { # NAME SELECTOR   a copy of kwok's stage with one more selector and the delay
  sed -e "s/^  name: pod-complete\$/  name: $1/" \
    -e "s|^  next:\$|    - {key: '.metadata.annotations[\"test.cloudfarm/outcome\"]', $2}\n  delay: {durationMilliseconds: 0, durationFrom: {expressionFrom: '.metadata.annotations[\"test.cloudfarm/run-for\"]'}}\n&|" \
    "$folder/kustomize/stage/pod/fast/pod-complete.yaml"
}
stage pod-complete 'operator: NotIn, values: [fail, hang]' > "$part/kwok/pod-complete.yaml"
stage pod-fail 'operator: In, values: [fail]' \
  | sed -e 's/exitCode: 0/exitCode: 3/' -e 's/reason: Completed/reason: Error/' -e 's/phase: Succeeded/phase: Failed/' > "$part/kwok/pod-fail.yaml"

# Volumes are provided for both classes of conf/storage.yaml.
chmod -R u+w "$part"
sed -i "s/self.spec.storageClassName == 'kwok-volume'/self.spec.storageClassName in ['kwok-volume', 'cf-jp-encrypted']/" "$part"/kwok/pv*.yaml

# The files of others may move at a new pin: better to say so than to test without them.
for want in 20:kubevirt 12:cdi 6:snapshot 1:multus 1:networkpolicy 1:multinetworkpolicy 3:certmanager 2:ovn 2:openreports 2:prometheus 7:flux 11:velero; do
  got=$(cat "$part/${want#*:}"/*.yaml | grep -c '^kind: CustomResourceDefinition$' || true)
  [ "$got" = "${want%:*}" ] || { echo "${want#*:}: found $got CRDs instead of ${want%:*}" >&2; exit 1; }
done
for want in pod-complete pod-fail; do
  [ "$(grep -c test.cloudfarm "$part/kwok/$want.yaml")" = 2 ] || { echo "kwok's stage pod-complete has another shape now" >&2; exit 1; }
done
[ "$(cat "$part"/kwok/pv*.yaml | grep -c cf-jp-encrypted)" = 4 ] || { echo "kwok's stages of volumes have another shape now" >&2; exit 1; }
mv -T "$part" "$done" 2>/dev/null || [ -d "$done" ] # another one may have been as fast
[ ! -d "$part" ] || rm -rf "$part"
trap - EXIT
echo "$done"
