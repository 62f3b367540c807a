// Package virttemplate: see kubevirt.io/virt-template-api/core.
package virttemplate

import (
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"kubevirt.io/virt-template-api/core/v1beta1"
)

type Clientset struct{ c rest.Interface }

func (s *Clientset) TemplateV1beta1() *Clientset { return s }
func (s *Clientset) RESTClient() rest.Interface  { return s.c }

func NewForConfig(in *rest.Config) (*Clientset, error) {
	cfg := rest.CopyConfig(in)
	gv := v1beta1.GroupVersion
	cfg.GroupVersion, cfg.APIPath = &gv, "/apis"
	cfg.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	c, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, err
	}
	return &Clientset{c}, nil
}
