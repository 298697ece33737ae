package translate

import (
	"errors"
	"fmt"
	"strings"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"github.com/prometheus-operator/prometheus-operator/pkg/operator"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

// forbidden is how the operator's checks say who does not allow files: there is
// no Prometheus whose users could look it up.
const forbidden = "which Prometheus specification prohibits"

// verdict returns why the one object of a selection was refused; nil if it was
// not. The reason is kept where the operator writes it into the object's status.
func verdict[T operator.ConfigurationResource](found operator.TypedResourcesSelection[T], err error) error {
	if err != nil {
		return err
	}
	for _, r := range found {
		for _, c := range r.Conditions() {
			if c.Status != monitoringv1.ConditionTrue {
				return errors.New(strings.ReplaceAll(c.Message, forbidden, "which objects may not do"))
			}
		}
	}
	return nil
}

// checkFiles refuses lists of targets in files of this machine, unless they
// are allowed.
func (t *Translator) checkFiles(s *monitoringv1alpha1.ScrapeConfig) error {
	if len(s.Spec.FileSDConfigs) > 0 && !t.conf.FileAccess {
		return errors.New("fileSDConfigs: objects may not name files of the collector's machine")
	}
	return nil
}

// namespaceOf returns the namespace of an object.
func namespaceOf(obj runtime.Object) string {
	m, err := meta.Accessor(obj)
	if err != nil {
		panic(fmt.Sprintf("BUG: %T is not an object of an API: %v", obj, err))
	}
	return m.GetNamespace()
}

// classOf returns the scrape class that an object names; empty: none.
func classOf(obj runtime.Object) string {
	var name *string
	switch v := obj.(type) {
	case *monitoringv1.PodMonitor:
		name = v.Spec.ScrapeClassName
	case *monitoringv1.ServiceMonitor:
		name = v.Spec.ScrapeClassName
	case *monitoringv1.Probe:
		name = v.Spec.ScrapeClassName
	case *monitoringv1alpha1.ScrapeConfig:
		name = v.Spec.ScrapeClassName
	}
	if name == nil {
		return ""
	}
	return *name
}

// duration returns d as the operator writes it.
func duration(d time.Duration) monitoringv1.Duration {
	return monitoringv1.Duration(model.Duration(d).String())
}
