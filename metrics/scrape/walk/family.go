package walk

import (
	"github.com/prometheus/common/model"

	"github.com/divvy-collector/divvy/metrics/exposition"
	"github.com/divvy-collector/divvy/telemetry"
)

// family is what the lines of metadata above a sample say. In the text format
// the lines are kept as they are and parsed when a series is learnt.
type family struct {
	typeLine, helpLine []byte
	helpLast           bool // the help line is the later of the two

	// changed is the family whose metadata was not in the memory, or "": its
	// series are learnt anew, so that the sink gets the new metadata.
	changed string

	// parsed is set instead of the lines in the other formats.
	parsed *telemetry.Metadata
}

// passed notes a line of metadata of the text format.
func (f *family) passed(kind flags, line []byte) {
	switch {
	case kind&isType != 0:
		f.typeLine, f.helpLast = line, false
	case kind&isHelp != 0:
		f.helpLine, f.helpLast = line, true
	default:
		return
	}
	if f.changed == "" {
		return
	}
	var l exposition.Line
	if l.Parse(line) != nil || string(l.Family) != f.changed {
		f.changed = ""
	}
}

// metric returns the type that the last TYPE line gave.
func (f *family) metric() model.MetricType {
	if f.typeLine == nil {
		return ""
	}
	var l exposition.Line
	if l.Parse(f.typeLine) != nil {
		return ""
	}
	return l.Metric
}

// metadata returns what is known of the series called name, or nil.
func (w *Walk) metadata(name string) *telemetry.Metadata {
	if !w.rules.HonorMetadata {
		return nil
	}
	md := w.family.parsed
	if md == nil {
		md = w.family.fromLines()
	}
	if md.Family == "" || !exposition.InFamily(name, md.Family, md.Type) {
		return nil
	}
	return md
}

// fromLines reads the two lines of the text format. The later one names the
// family; the other one counts if it names the same.
func (f *family) fromLines() *telemetry.Metadata {
	var typ, help exposition.Line
	if f.typeLine != nil && typ.Parse(f.typeLine) != nil || f.helpLine != nil && help.Parse(f.helpLine) != nil {
		return &telemetry.Metadata{}
	}
	md := &telemetry.Metadata{Family: string(typ.Family), Type: model.MetricTypeUnknown}
	if f.helpLast {
		md.Family = string(help.Family)
	}
	if string(typ.Family) == md.Family && typ.Metric != "" {
		md.Type = typ.Metric
	}
	if string(help.Family) == md.Family {
		md.Help = help.HelpText()
	}
	return md
}
