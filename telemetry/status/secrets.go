package status

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
)

// hidden stands for text that was taken out.
const hidden = "(redacted)"

// password matches the user and the password of a URL, whatever surrounds it.
// The @ may be encoded: so it is when a password is written in an address.
var password = regexp.MustCompile(`(://[^/\s:@"'` + "`" + `]*):[^/\s"'` + "`" + `]+(?:@|%40)`)

// parameter matches a parameter of a URL whose name says that it is secret.
var parameter = regexp.MustCompile(`(?i)((?:[?&]|\\u0026)(?:[\w.-]*[-_.])?(?:` + secretNames + `)=)[^&\s"'\\` + "`" + `]+`)

// secretParameter matches the label of such a parameter.
var secretParameter = regexp.MustCompile(`(?i)^` + model.ParamLabelPrefix + `(?:[\w.-]*[-_.])?(?:` + secretNames + `)$`)

const secretNames = `passw\w*|secret|token|credentials?|api_?key|key|sig|signature`

// addressPassword matches the password of an address without a scheme.
var addressPassword = regexp.MustCompile(`^([^/\s:@]*):[^/\s]+@`)

// HidePasswords returns text with "(redacted)" for each password of a URL, as in
// http://name:password@host/, and for its parameters that are secret by name, as
// in http://host/?token=….
func HidePasswords(text string) string {
	if strings.IndexByte(text, '@') >= 0 || strings.Contains(text, "%40") {
		text = password.ReplaceAllString(text, "${1}:"+hidden+"@")
	}
	if strings.IndexByte(text, '=') >= 0 {
		text = parameter.ReplaceAllString(text, "${1}"+hidden)
	}
	return text
}

// FindPasswords returns where the passwords of URLs in text are, each as the
// index of the colon before it and that after the @ behind it.
func FindPasswords(text []byte) (spans [][2]int) {
	for _, at := range password.FindAllSubmatchIndex(text, -1) {
		spans = append(spans, [2]int{at[3], at[1]})
	}
	return spans
}

// HideLabels returns labels of a target without the passwords of URLs and
// addresses and without the parameters that are secret by name. Where a whole
// value is taken out four digits of its hash are left, so that people see
// whether two differ.
func HideLabels(lset telemetry.Labels) telemetry.Labels {
	var b *labels.Builder
	lset.Range(func(l labels.Label) {
		v := hideValue(l)
		if v == l.Value {
			return
		}
		if b == nil {
			b = labels.NewBuilder(lset)
		}
		b.Set(l.Name, v)
	})
	if b == nil {
		return lset
	}
	return b.Labels()
}

// hideValue returns the value of l as it may be shown.
func hideValue(l labels.Label) string {
	switch {
	case l.Name == model.AddressLabel || l.Name == model.InstanceLabel:
		return addressPassword.ReplaceAllString(HidePasswords(l.Value), "${1}:"+hidden+"@")
	case strings.HasPrefix(l.Name, model.ParamLabelPrefix) && secretParameter.MatchString(l.Name):
		return fmt.Sprintf("(redacted %04x)", xxhash.Sum64String(l.Value)&0xffff)
	}
	return HidePasswords(l.Value)
}
