// kubevirt writes the CRDs, common instance types and preferences that virt-operator would install, from KubeVirt's
// own generators, as two YAML files into a folder. KubeVirt's modules carry no YAML.
package main

import (
	"bytes"
	"encoding/json"
	"log"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"kubevirt.io/kubevirt/pkg/virt-operator/resource/generate/components"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: kubevirt FOLDER")
	}
	write("crds.yaml", crds())
	write("instancetypes.yaml", sizes())
}

func crds() []any {
	generators := []func() (any, error){
		object(components.NewVirtualMachineInstanceCrd), object(components.NewVirtualMachineCrd),
		object(components.NewReplicaSetCrd), object(components.NewPresetCrd), object(components.NewKubeVirtCrd),
		object(components.NewVirtualMachineInstanceMigrationCrd), object(components.NewVirtualMachineSnapshotCrd),
		object(components.NewVirtualMachineSnapshotContentCrd), object(components.NewVirtualMachineRestoreCrd),
		object(components.NewVirtualMachineExportCrd), object(components.NewVirtualMachineInstancetypeCrd),
		object(components.NewVirtualMachineClusterInstancetypeCrd), object(components.NewVirtualMachinePreferenceCrd),
		object(components.NewVirtualMachineClusterPreferenceCrd), object(components.NewVirtualMachinePoolCrd),
		object(components.NewMigrationPolicyCrd), object(components.NewVirtualMachineCloneCrd),
		object(components.NewVirtualMachineBackupCrd), object(components.NewVirtualMachineBackupTrackerCrd),
		object(components.NewPluginCrd),
	}
	var all []any
	for _, generate := range generators {
		crd, err := generate()
		check(err)
		all = append(all, crd)
	}
	return all
}

func sizes() []any {
	var all []any
	instancetypes, err := components.NewClusterInstancetypes()
	check(err)
	for _, each := range instancetypes {
		all = append(all, each)
	}
	preferences, err := components.NewClusterPreferences()
	check(err)
	for _, each := range preferences {
		all = append(all, each)
	}
	return all
}

func object[T any](generate func() (T, error)) func() (any, error) {
	return func() (any, error) { return generate() }
}

func write(name string, objects []any) {
	var text bytes.Buffer
	for _, each := range objects {
		raw, err := json.Marshal(each)
		check(err)
		var plain map[string]any
		check(json.Unmarshal(raw, &plain))
		delete(plain, "status")
		document, err := yaml.Marshal(plain)
		check(err)
		text.WriteString("---\n")
		text.Write(document)
	}
	check(os.WriteFile(filepath.Join(os.Args[1], name), text.Bytes(), 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
