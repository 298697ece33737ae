package remote

import (
	"net"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

type conn = net.Conn

// dropRule drops the series whose label has this value.
func dropRule(label, value string) []*relabel.Config {
	c := relabel.DefaultRelabelConfig
	c.Action = relabel.Drop
	c.SourceLabels = model.LabelNames{model.LabelName(label)}
	c.Regex = relabel.MustNewRegexp(value)
	c.NameValidationScheme = model.UTF8Validation
	return []*relabel.Config{&c}
}
