package components

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/local"
	"github.com/divvy-collector/divvy/pipeline/component"
)

// localFileArguments are the arguments of local.file.
type localFileArguments struct {
	Filename string `alloy:"filename,attr"`

	// Detector is fsnotify or poll: whether the file system is asked to
	// tell of changes. The file is looked at on PollFrequency either way.
	Detector      string        `alloy:"detector,attr,optional"`
	PollFrequency time.Duration `alloy:"poll_frequency,attr,optional"`

	// IsSecret makes the content a secret, which is never shown and cannot
	// be used where a string is due.
	IsSecret bool `alloy:"is_secret,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (a *localFileArguments) SetToDefault() {
	*a = localFileArguments{Detector: "fsnotify", PollFrequency: time.Minute}
}

// Validate reports everything that is wrong, joined.
func (a *localFileArguments) Validate() error {
	errs := []error{positive("poll_frequency", a.PollFrequency)}
	if a.Filename == "" {
		errs = append(errs, errors.New("filename must not be empty"))
	}
	if a.Detector != "fsnotify" && a.Detector != "poll" {
		errs = append(errs, fmt.Errorf("unknown detector %q: use fsnotify or poll", a.Detector))
	}
	return errors.Join(errs...)
}

// contentExport is what components export that read one text.
type contentExport struct {
	Content alloytypes.OptionalSecret `alloy:"content,attr"`
}

// A localFile exports a file's content, and again when it changes. While the
// file cannot be read the last content stands and the component is unhealthy.
type localFile struct {
	log      *slog.Logger
	accessed prometheus.Gauge
	args     *cell.Cell[localFileArguments]
	out      exporter[contentExport]
}

// newLocalFile reads the file, so that what refers to it can be evaluated.
func newLocalFile(env component.Env, a localFileArguments) (component.Instance[localFileArguments], error) {
	f := &localFile{
		log: env.Log,
		accessed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "local_file_timestamp_last_accessed_unix_seconds",
			Help: "The timestamp, in Unix seconds, that the file was last successfully accessed.",
		}),
		args: cell.New(a),
		out:  exporter[contentExport]{export: env.Export},
	}
	if err := env.Registry.Register(f.accessed); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return f, f.Update(a)
}

// Update reads the file, and refuses the arguments if that cannot be done.
func (f *localFile) Update(a localFileArguments) error {
	if err := f.read(a); err != nil {
		return err
	}
	f.args.Set(a)
	return nil
}

// Run follows the file until ctx is done.
func (f *localFile) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		a, changed := f.args.Get()
		f.watch(ctx, a, changed)
	}
	return nil
}

// watch follows the file until ctx is done or the arguments have changed.
func (f *localFile) watch(ctx context.Context, a localFileArguments, changed <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer cancel()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	})
	conf := local.Config{Path: a.Filename, Every: a.PollFrequency, Poll: a.Detector == "poll", Log: f.log}
	local.Watch(ctx, conf, func() {
		if err := f.read(a); err != nil && f.out.fail(err) {
			f.log.Error("cannot read file, the last content stands", "path", a.Filename, "err", err)
		}
	})
}

// read exports the file's content.
func (f *localFile) read(a localFileArguments) error {
	text, err := os.ReadFile(a.Filename)
	if err != nil {
		return fmt.Errorf("read file: %w", err)
	}
	f.accessed.SetToCurrentTime()
	f.out.publish(contentExport{Content: alloytypes.OptionalSecret{IsSecret: a.IsSecret, Value: string(text)}}, "read file")
	return nil
}

// Health tells how the last read went.
func (f *localFile) Health() component.Health { return f.out.health() }
