// installation writes what virt-operator would install beside the CRDs, from KubeVirt's own generators, into a folder:
// files that are applied in the order of their names. virt-api is to be reached on loopback, where no kube-proxy leads.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"log"
	"os"
	"path/filepath"

	admission "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"kubevirt.io/kubevirt/pkg/virt-operator/resource/generate/components"
	"kubevirt.io/kubevirt/pkg/virt-operator/resource/generate/install"
	"kubevirt.io/kubevirt/pkg/virt-operator/util"
)

const (
	namespace = "kubevirt"
	version   = "v1.9.0"
)

func main() {
	folder := flag.String("folder", ".", "where the files go")
	authority := flag.String("ca", "", "PEM file with the authority of virt-api's certificate")
	port := flag.Int("port", 8443, "where virt-api listens on loopback")
	flag.Parse()
	ca, err := os.ReadFile(*authority)
	check(err)
	strategy, err := install.GenerateCurrentInstallStrategy(&util.KubeVirtDeploymentConfig{
		ID: "test", Namespace: namespace, Registry: "registry.invalid/kubevirt", KubeVirtVersion: version,
		AdditionalProperties: map[string]string{},
	}, "", namespace)
	check(err)
	bed := bed{ca: ca, port: int32(*port)}
	write(*folder, "1-rights.yaml", rights(strategy))
	write(*folder, "2-services.yaml", bed.services(strategy))
	write(*folder, "3-webhooks.yaml", bed.webhooks(strategy))
}

// bed is where virt-api is found.
type bed struct {
	ca   []byte
	port int32
}

func rights(strategy *install.Strategy) []any {
	objects := []any{map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": namespace, "labels": map[string]any{"kubevirt.io": ""}},
	}}
	objects = append(objects, components.NewKubeVirtPriorityClassCR())
	objects = append(objects, each(strategy.ServiceAccounts())...)
	objects = append(objects, each(strategy.ClusterRoles())...)
	objects = append(objects, each(strategy.ClusterRoleBindings())...)
	objects = append(objects, each(strategy.Roles())...)
	objects = append(objects, each(strategy.RoleBindings())...)
	// The generator leaves the group out.
	for _, policy := range strategy.ValidatingAdmissionPolicies() {
		policy.APIVersion = admission.SchemeGroupVersion.String()
		objects = append(objects, policy)
	}
	for _, binding := range strategy.ValidatingAdmissionPolicyBindings() {
		binding.APIVersion = admission.SchemeGroupVersion.String()
		objects = append(objects, binding)
	}
	return objects
}

func (bed bed) services(strategy *install.Strategy) []any {
	var objects []any
	for _, service := range strategy.Services() {
		if service.Name == components.VirtAPIName {
			// The API server dials such a name and still checks the certificate for the service's.
			service.Spec = core.ServiceSpec{Type: core.ServiceTypeExternalName, ExternalName: "127.0.0.1"}
		}
		objects = append(objects, service)
	}
	for _, bundle := range strategy.ConfigMaps() { // empty; virt-operator would fill them
		bundle.Data = map[string]string{"ca-bundle": string(bed.ca)}
		objects = append(objects, bundle)
	}
	return objects
}

func (bed bed) webhooks(strategy *install.Strategy) []any {
	var objects []any
	for _, service := range strategy.APIServices() {
		service.Spec.Service.Port, service.Spec.CABundle = &bed.port, bed.ca
		objects = append(objects, service)
	}
	for _, configuration := range strategy.ValidatingWebhookConfigurations() {
		var kept []admission.ValidatingWebhook
		for _, webhook := range configuration.Webhooks {
			if bed.leads(&webhook.ClientConfig) {
				kept = append(kept, webhook)
			}
		}
		if configuration.Webhooks = kept; len(kept) > 0 {
			objects = append(objects, configuration)
		}
	}
	for _, configuration := range strategy.MutatingWebhookConfigurations() {
		var kept []admission.MutatingWebhook
		for _, webhook := range configuration.Webhooks {
			if bed.leads(&webhook.ClientConfig) {
				kept = append(kept, webhook)
			}
		}
		if configuration.Webhooks = kept; len(kept) > 0 {
			objects = append(objects, configuration)
		}
	}
	return objects
}

// leads turns a webhook of virt-api to where it is; those of virt-operator, which does not run here, have no use.
func (bed bed) leads(client *admission.WebhookClientConfig) bool {
	if client.Service == nil || client.Service.Name != components.VirtAPIName {
		return false
	}
	client.Service.Port, client.CABundle = &bed.port, bed.ca
	return true
}

func each[T any](list []T) []any {
	var all []any
	for _, object := range list {
		all = append(all, object)
	}
	return all
}

func write(folder, name string, objects []any) {
	var text bytes.Buffer
	for _, object := range objects {
		raw, err := json.Marshal(object)
		check(err)
		var plain map[string]any
		check(json.Unmarshal(raw, &plain))
		delete(plain, "status")
		document, err := yaml.Marshal(plain)
		check(err)
		text.WriteString("---\n")
		text.Write(document)
	}
	check(os.WriteFile(filepath.Join(folder, name), text.Bytes(), 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
