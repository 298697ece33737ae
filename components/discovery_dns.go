package components

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	sd "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/dns"
)

// dnsSDArguments are the arguments of discovery.dns: a target for each record.
type dnsSDArguments struct {
	Names           []string      `alloy:"names,attr"`                     // each becomes __meta_dns_name
	RefreshInterval time.Duration `alloy:"refresh_interval,attr,optional"` // records' lifetimes are not looked at
	Type            string        `alloy:"type,attr,optional"`             // SRV, A, AAAA, MX or NS
	Port            int           `alloy:"port,attr,optional"`             // not used for SRV, whose records have one
}

// SetToDefault sets the documented defaults.
func (a *dnsSDArguments) SetToDefault() {
	*a = dnsSDArguments{RefreshInterval: 30 * time.Second, Type: "SRV"}
}

// Validate requires a port where records have none.
func (a *dnsSDArguments) Validate() error {
	errs := []error{positive("refresh_interval", a.RefreshInterval)}
	if len(a.Names) == 0 {
		errs = append(errs, errors.New("names must hold at least one DNS name"))
	}
	switch strings.ToUpper(a.Type) {
	case "SRV":
	case "A", "AAAA", "MX", "NS":
		if a.Port <= 0 || a.Port > 65535 {
			errs = append(errs, fmt.Errorf("port must be set, from 1 to 65535, for records of type %q", a.Type))
		}
	default:
		errs = append(errs, fmt.Errorf("unknown type %q: use one of SRV, A, AAAA, MX, NS", a.Type))
	}
	return errors.Join(errs...)
}

// source returns the set-up of the discoverer.
func (a dnsSDArguments) source() sd.Config {
	return &dns.SDConfig{
		Names:           a.Names,
		RefreshInterval: model.Duration(a.RefreshInterval),
		Type:            a.Type,
		Port:            a.Port,
	}
}
