package walk

import (
	"errors"
	"fmt"
	"mime"
)

// Media types that bodies come in.
const (
	mediaText        = "text/plain"
	mediaOpenMetrics = "application/openmetrics-text"
	mediaProtobuf    = "application/vnd.google.protobuf"
)

// mediaOf returns the media type of a body: that of its content type if it is a
// known one, else the fallback, which may be empty.
func mediaOf(contentType, fallback string) string {
	media, _, err := mime.ParseMediaType(contentType)
	if err == nil && (media == mediaText || media == mediaOpenMetrics || media == mediaProtobuf) {
		return media
	}
	return fallback
}

// terminated returns body with a newline at its end.
func terminated(body []byte) []byte {
	if body[len(body)-1] == '\n' {
		return body
	}
	return append(body, '\n')
}

// read walks the body in the way that its format wants, and checks the limits
// on what it found.
func (w *Walk) read(body []byte, contentType string) error {
	if len(body) == 0 {
		return nil
	}
	err := w.readFormat(body, contentType)
	if errors.Is(err, errWrong) {
		w.again()
		err = w.readFormat(body, contentType)
	}
	if err != nil {
		return fmt.Errorf("read exposition: %w", err)
	}
	if limit := int(w.rules.Limits.Samples); limit > 0 && w.Appended > limit {
		w.SampleLimit = true
		return errSampleLimit
	}
	if w.BucketLimit {
		return errBucketLimit
	}
	w.finish()
	return nil
}

// readFormat walks the body line by line where a sample depends on its own line
// alone, else with Prometheus' parser.
func (w *Walk) readFormat(body []byte, contentType string) error {
	media := mediaOf(contentType, w.rules.DefaultType)
	byLine := !w.target.NHCB && !w.rules.TypeAndUnitLabels
	switch {
	case media == mediaText && byLine:
		if err := w.text(terminated(body)); !errors.Is(err, errForeign) {
			return err
		}
		w.again()
	case media == mediaOpenMetrics && byLine && !w.rules.StartTimestamps:
		if w.same(body) {
			return nil
		}
		w.again()
		w.outline = outline{rest: body}
	}
	return w.parsed(body, contentType)
}
