// policies enforces the NetworkPolicies of one node: kube-router's policy controller without its router and its
// service proxy. --kubeconfig and --hostname-override are kube-router's own flags.
package main

import (
	"context"
	"os/signal"
	"sync"
	"syscall"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"github.com/spf13/pflag"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

func main() {
	router := options.NewKubeRouterConfig()
	router.AddFlags(pflag.CommandLine)
	pflag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := enforce(ctx, router); err != nil {
		klog.Fatal(err)
	}
}

func enforce(ctx context.Context, router *options.KubeRouterConfig) error {
	config, err := clientcmd.BuildConfigFromFlags(router.Master, router.Kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	core := informers.NewSharedInformerFactory(client, 0)
	pods, namespaces := core.Core().V1().Pods().Informer(), core.Core().V1().Namespaces().Informer()
	networkPolicies := core.Networking().V1().NetworkPolicies().Informer()
	core.Start(ctx.Done())
	core.WaitForCacheSync(ctx.Done())

	tables, sets, err := netpol.NewIPTablesHandlers(router)
	if err != nil {
		return err
	}
	var oneAtATime sync.Mutex
	controller, err := netpol.NewNetworkPolicyController(
		client, router, pods, networkPolicies, namespaces, &oneAtATime, tables, sets)
	if err != nil {
		return err
	}
	pods.AddEventHandler(controller.PodEventHandler)
	namespaces.AddEventHandler(controller.NamespaceEventHandler)
	networkPolicies.AddEventHandler(controller.NetworkPolicyEventHandler)

	// The controller stops when nobody takes its heartbeats.
	heartbeats := make(chan *healthcheck.ControllerHeartbeat, 16)
	go func() {
		for range heartbeats {
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	go controller.Run(heartbeats, ctx.Done(), &running)
	running.Wait()
	return nil
}
