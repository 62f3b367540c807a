// The modules whose CRDs neighbours.sh reads. Nothing is compiled here: go.mod says the versions and go.sum what the
// files must be; a module that differs is refused.
module cloudfarm.dev/testbed/neighbours

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/fluxcd/kustomize-controller v1.9.6
	github.com/fluxcd/source-controller v1.9.6
	github.com/k8snetworkplumbingwg/multi-networkpolicy v1.0.1
	github.com/k8snetworkplumbingwg/network-attachment-definition-client v1.7.7
	github.com/kubernetes-csi/external-snapshotter/client/v8 v8.7.0
	github.com/openreports/reports-api v0.2.1
	github.com/prometheus-operator/prometheus-operator v0.85.0
	github.com/vmware-tanzu/velero v1.18.1
	kubevirt.io/containerized-data-importer v1.65.0
	sigs.k8s.io/network-policy-api v0.2.0
)
