package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/grafana/alloy/syntax/alloytypes"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// An import block is a component like any other, so that it has health, can
// refer to other components and lives on through loads. What it exports is the
// text of a library; a change of that is a change of structure. Nothing but
// names of custom components can refer to it.

// imported is what an import block exports: the text of a library.
type imported struct {
	files map[string][]byte // by name, as diagnostics call them
	path  string            // module_path in the library; "": as where it is imported
}

// A fetcher is the arguments of an import block whose content is at hand.
type fetcher interface {
	fetch() (imported, error)
}

// Imports returns the kinds of the import blocks. import.http is remote.http
// under another name, with the same arguments, so it is there if that is among
// kinds. Its text comes when it comes: until then, what it declares waits.
func Imports(kinds []component.Kind) []component.Kind {
	list := []component.Kind{
		component.Of[stringArguments, imported]("import.string", newImport),
		component.Of[fileArguments, imported]("import.file", newImport),
		component.Of[gitArguments, imported]("import.git", newImport),
	}
	for _, k := range kinds {
		if k.Name == "remote.http" {
			list = append(list, k.Translate("import.http", contentOf))
		}
	}
	return list
}

// contentOf makes a library of the export content of remote.http.
func contentOf(exports any) any {
	v := reflect.ValueOf(exports)
	for f := range v.Type().Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("alloy"), ","); name != "content" {
			continue
		}
		switch content := v.FieldByIndex(f.Index).Interface().(type) {
		case alloytypes.OptionalSecret:
			return library(content.Value)
		case string:
			return library(content)
		}
	}
	return imported{}
}

// library is one file with the given content; nothing if there is no content.
func library(content string) imported {
	if content == "" {
		return imported{}
	}
	return imported{files: map[string][]byte{"": []byte(content)}}
}

// called returns i with its file named after the import block id, if it has no
// name of its own.
func (i imported) called(id string) imported {
	if content, ok := i.files[""]; ok {
		i.files = map[string][]byte{id: content}
	}
	return i
}

// stringArguments are those of import.string.
type stringArguments struct {
	Content alloytypes.OptionalSecret `alloy:"content,attr"`
}

func (a stringArguments) fetch() (imported, error) {
	return library(a.Content.Value), nil
}

func (a stringArguments) watch() (string, time.Duration, bool) { return "", 0, false }

// fileArguments are those of import.file.
type fileArguments struct {
	Filename      string        `alloy:"filename,attr"` // a file, or a directory of *.alloy files
	Detector      string        `alloy:"detector,attr,optional"`
	PollFrequency time.Duration `alloy:"poll_frequency,attr,optional"`
}

// SetToDefault is part of syntax.Defaulter.
func (a *fileArguments) SetToDefault() {
	*a = fileArguments{Detector: "fsnotify", PollFrequency: time.Minute}
}

// Validate is part of syntax.Validator.
func (a *fileArguments) Validate() error {
	var errs []error
	if a.Filename == "" {
		errs = append(errs, errors.New("filename is empty"))
	}
	if a.Detector != "fsnotify" && a.Detector != "poll" {
		errs = append(errs, fmt.Errorf(`detector %q is unknown; use "fsnotify" or "poll"`, a.Detector))
	}
	if a.PollFrequency <= 0 {
		errs = append(errs, errors.New("poll_frequency must be above zero"))
	}
	return errors.Join(errs...)
}

func (a fileArguments) fetch() (imported, error) {
	stat, err := os.Stat(a.Filename)
	if err != nil {
		return imported{}, err
	}
	content := imported{files: map[string][]byte{}, path: a.Filename}
	list := []string{a.Filename}
	if stat.IsDir() {
		if list, err = filepath.Glob(filepath.Join(a.Filename, "*.alloy")); err != nil || len(list) == 0 {
			return imported{}, errors.Join(err, fmt.Errorf("read %s: %w of *.alloy", a.Filename, fs.ErrNotExist))
		}
	} else {
		content.path = filepath.Dir(a.Filename)
	}
	for _, name := range list {
		if content.files[name], err = os.ReadFile(name); err != nil {
			return imported{}, err
		}
	}
	return content, nil
}

func (a fileArguments) watch() (string, time.Duration, bool) {
	return a.Filename, a.PollFrequency, a.Detector == "fsnotify"
}

// gitArguments are those of import.git, which is not there.
type gitArguments struct {
	Any map[string]any `alloy:"basic_auth,block,optional"`
}

// UnmarshalAlloy refuses every body, so that the reason is what users read.
func (a *gitArguments) UnmarshalAlloy(func(any) error) error {
	return errors.New("import.git cannot work here, since this build has no git; " +
		"keep a clone up to date by other means, such as git-sync, and use import.file")
}

func (a gitArguments) fetch() (imported, error)             { return imported{}, nil }
func (a gitArguments) watch() (string, time.Duration, bool) { return "", 0, false }

// source is the arguments of an import block that fetches by itself: what to
// fetch, and which file to watch for it: how often, and whether by events.
type source interface {
	fetcher
	watch() (file string, every time.Duration, events bool)
}

// An importer is a running import block. Its content is fetched when it is
// built, since what the configuration means depends on it.
type importer[A source] struct {
	env     component.Env
	changed chan A // the newest arguments, for Run
	args    A
	last    imported
}

func newImport[A source](env component.Env, args A) (component.Instance[A], error) {
	i := &importer[A]{env: env, changed: make(chan A, 1), args: args}
	content, err := args.fetch()
	if err != nil {
		return nil, err
	}
	i.last = content
	env.Export(content)
	return i, nil
}

// Update fetches what the new arguments name.
func (i *importer[A]) Update(args A) error {
	content, err := args.fetch()
	if err != nil {
		return err
	}
	i.env.Export(content)
	select {
	case <-i.changed:
	default:
	}
	i.changed <- args
	return nil
}

// Run watches the file, if there is one.
func (i *importer[A]) Run(ctx context.Context) error {
	args := i.args
	for ctx.Err() == nil {
		i.follow(ctx, &args)
	}
	return nil
}

// follow watches the file of args until there are others.
func (i *importer[A]) follow(ctx context.Context, args *A) {
	file, every, events := (*args).watch()
	var tick <-chan time.Time
	if file != "" {
		t := time.NewTicker(every)
		defer t.Stop()
		tick = t.C
	}
	var notes chan fsnotify.Event
	if events {
		if w, err := fsnotify.NewWatcher(); err != nil {
			i.env.Log.Warn("cannot watch the file; it is polled", "file", file, "err", err)
		} else {
			defer w.Close()
			notes = w.Events
			i.observe(w, file)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case *args = <-i.changed:
			return
		case <-tick:
		case <-notes:
		}
		i.fetch(*args)
	}
}

// observe watches file and the directory that it is in, so that a file that is
// replaced is seen, too.
func (i *importer[A]) observe(w *fsnotify.Watcher, file string) {
	for _, name := range []string{file, filepath.Dir(file)} {
		if err := w.Add(name); err != nil {
			i.env.Log.Warn("cannot watch the file; it is polled", "file", name, "err", err)
		}
	}
}

// fetch exports the content if it has changed. A file that cannot be read
// keeps its last content.
func (i *importer[A]) fetch(args A) {
	content, err := args.fetch()
	if err != nil {
		i.env.Log.Warn("cannot read the import; its last content is kept", "err", err)
		return
	}
	if !reflect.DeepEqual(content, i.last) {
		i.last = content
		i.env.Export(content)
	}
}
