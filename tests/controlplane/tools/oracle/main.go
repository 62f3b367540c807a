// oracle answers which packets a set of NetworkPolicies lets pass, by the judgement of cyclonus.
//
// stdin: one JSON document (see question); stdout: one JSON list with true (passes) or false for each flow. What the
// oracle does not understand, such as an endpoint nobody declared, is an error and never an answer.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
)

type question struct {
	Policies  []*networking.NetworkPolicy `json:"policies"`
	Endpoints []endpoint                  `json:"endpoints"`
	Flows     []flow                      `json:"flows"`
}

// endpoint is a pod, or an address outside of the cluster when it has no namespace.
type endpoint struct {
	Name            string            `json:"name"`
	IP              string            `json:"ip"`
	Namespace       string            `json:"namespace"`
	NamespaceLabels map[string]string `json:"namespaceLabels"`
	Labels          map[string]string `json:"labels"`
}

type flow struct {
	From     string        `json:"from"`
	To       string        `json:"to"`
	Port     int           `json:"port"`
	Protocol core.Protocol `json:"protocol"`
}

func (e endpoint) peer() *matcher.TrafficPeer {
	if e.Namespace == "" {
		return &matcher.TrafficPeer{IP: e.IP}
	}
	return &matcher.TrafficPeer{IP: e.IP, Internal: &matcher.InternalPeer{
		Namespace: e.Namespace, NamespaceLabels: e.NamespaceLabels, PodLabels: e.Labels,
	}}
}

func (q question) answer() ([]bool, error) {
	peers := make(map[string]*matcher.TrafficPeer, len(q.Endpoints))
	for _, e := range q.Endpoints {
		if _, twice := peers[e.Name]; twice {
			return nil, fmt.Errorf("endpoint %q is declared twice", e.Name)
		}
		peers[e.Name] = e.peer()
	}
	policies := matcher.BuildNetworkPolicies(true, q.Policies)
	answers := make([]bool, len(q.Flows))
	for i, f := range q.Flows {
		from, to := peers[f.From], peers[f.To]
		if from == nil || to == nil {
			return nil, fmt.Errorf("flow %d, from %q to %q: one of them is not declared", i, f.From, f.To)
		}
		answers[i] = policies.IsTrafficAllowed(&matcher.Traffic{
			Source: from, Destination: to, ResolvedPort: f.Port, Protocol: f.Protocol,
		}).IsAllowed()
	}
	return answers, nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func run() error {
	in := json.NewDecoder(os.Stdin)
	in.DisallowUnknownFields()
	var q question
	if err := in.Decode(&q); err != nil {
		return fmt.Errorf("the question on stdin cannot be read: %w", err)
	}
	answers, err := q.answer()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}
