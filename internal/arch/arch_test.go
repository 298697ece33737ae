// Package arch is the architecture as a test: which package may import which,
// and the guard rails on size and names of CONTRIBUTING.md. A failure names
// the file, the rule and the remedy.
package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/divvy-collector/divvy/"

// mayImport is the map of the code: for every package (or folder, ending in
// "/") the packages of ours that it may import. The first entry that fits the
// importing package counts. Test files may import anything below them and the
// tests-only packages.
var mayImport = []struct {
	from string
	to   []string
}{
	{"cell", nil},
	{"vfs/", nil},
	{"telemetry/sinktest", []string{"telemetry"}},
	{"telemetry/live", nil},
	{"telemetry/status", []string{"telemetry", "fleet/owner"}},
	{"telemetry", nil},
	{"queue/", []string{"vfs/"}},
	{"fleet/owner", nil},
	{"fleet/schedule", []string{"cell", "fleet/owner"}},
	{"fleet/", []string{"cell", "telemetry", "telemetry/status", "fleet/"}},
	{"metrics/exposition", nil},
	{"metrics/plainhttp", nil},
	{"metrics/scrape/fetch", []string{"metrics/plainhttp"}},
	{"metrics/scrape/inflate", nil},
	{"metrics/scrape/walk", []string{"telemetry", "telemetry/live", "metrics/exposition", "metrics/scrape/fetch", "metrics/scrape/inflate"}},
	{"metrics/scrape", []string{"cell", "telemetry", "telemetry/live", "telemetry/status", "metrics/scrape/fetch", "metrics/scrape/walk", "fleet/owner", "fleet/schedule"}},
	{"metrics/scrape/jobs", []string{"cell", "telemetry", "telemetry/live", "telemetry/status", "metrics/scrape", "metrics/relabel", "fleet/owner", "fleet/schedule"}},
	{"metrics/relabel", []string{"telemetry", "telemetry/live"}},
	{"metrics/remote", []string{"cell", "telemetry", "telemetry/live", "telemetry/status", "queue", "vfs", "metrics/remote/lane", "metrics/remote/wire", "metrics/remote/post", "metrics/plainhttp"}},
	{"metrics/remote/lane", []string{"metrics/remote/wire"}},
	{"metrics/remote/post", []string{"metrics/plainhttp"}},
	{"metrics/remote/wire", []string{"telemetry", "queue"}},
	{"profiles/scrape/wire", nil},
	{"metrics/receive", []string{"telemetry", "telemetry/live"}},
	{"metrics/", []string{"telemetry"}},
	{"profiles", []string{"telemetry"}},
	{"profiles/push", []string{"cell", "profiles", "queue", "telemetry", "telemetry/live", "telemetry/status", "vfs"}},
	{"profiles/scrape/", []string{"cell", "fleet/owner", "fleet/schedule", "profiles", "profiles/scrape/", "telemetry", "telemetry/live", "telemetry/status"}},
	{"profiles/", []string{"profiles", "telemetry", "telemetry/live"}},
	{"discovery/", []string{"cell", "telemetry", "discovery/"}},
	{"kube/", []string{"cell", "telemetry", "kube/"}},
	{"pipeline/component", []string{"cell", "fleet/owner", "fleet/schedule", "telemetry", "telemetry/status", "telemetry/live"}},
	{"pipeline/", []string{"cell", "fleet/owner", "telemetry", "telemetry/status", "telemetry/live", "pipeline/"}},
	{"components/args", []string{"telemetry", "telemetry/status"}},
	{"components/listen", []string{"cell", "pipeline/component"}},
	{"components/", []string{"cell", "vfs", "telemetry", "telemetry/status", "telemetry/live", "pipeline/component", "components/args", "components/kubernetes", "components/listen", "components/pyroscope", "metrics/", "profiles/", "discovery/", "fleet/owner", "fleet/schedule", "local/", "kube/", "remotehttp/"}},
	{"web/", []string{"cell", "fleet/", "pipeline/", "telemetry", "telemetry/status", "telemetry/live", "web/"}},
	{"internal/", []string{""}},
	{"cmd/", []string{""}},
	{"bench/", []string{""}},
	{"e2e", []string{""}},
	{"examples", []string{""}},
}

// pure packages decide and never act: they may not reach for these.
var pure = map[string][]string{
	"fleet/owner":            {"net", "net/http", "os", "log/slog", "context", "sync"},
	"fleet/simulate":         {"net", "net/http", "os", "log/slog", "context", "sync"},
	"metrics/exposition":     {"net", "net/http", "os", "log/slog", "context"},
	"metrics/scrape/inflate": {"net", "net/http", "os", "log/slog", "context", "sync"},
	"profiles/scrape/wire":   {"net", "net/http", "os", "log/slog", "context", "sync"},
}

// testsOnly packages are imported by tests, by the demo and by the bench.
var testsOnly = []string{"internal/arch", "internal/sim", "internal/script", "internal/bench", "internal/testbed", "internal/memnet", "internal/kubetest", "internal/kubefake", "internal/profileserver"}

func TestImportsPointDown(t *testing.T) {
	for _, f := range sources(t) {
		for _, imp := range f.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			for _, banned := range pure[f.pkg] {
				if path == banned && !f.test {
					t.Errorf("%s imports %s: %s is pure; pass the value in instead", f.name, path, f.pkg)
				}
			}
			to, ours := strings.CutPrefix(path, module)
			if !ours || to == f.pkg {
				continue
			}
			if strings.HasPrefix(to, "cmd/") && !strings.HasPrefix(f.pkg, "cmd/") {
				t.Errorf("%s imports %s: nothing stands on a command", f.name, to)
			}
			if f.test || allowed(f.pkg, to) {
				continue
			}
			t.Errorf("%s: %s may not import %s: see mayImport in internal/arch, and move the code rather than the rule", f.name, f.pkg, to)
		}
	}
}

func TestNothingShippedImportsTestPackages(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || strings.HasPrefix(f.pkg, "internal/") || strings.HasPrefix(f.pkg, "bench") || strings.HasPrefix(f.pkg, "cmd/") || f.pkg == "e2e" {
			continue
		}
		for _, imp := range f.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			for _, p := range testsOnly {
				if strings.HasPrefix(path, module+p) {
					t.Errorf("%s imports %s, which is for tests, the demo and the bench", f.name, p)
				}
			}
		}
	}
}

// longFunctions may pass the limit of 80 lines, each for a reason.
var longFunctions = map[string]string{}

// longFiles may pass the limit of 600 lines, each for a reason.
var longFiles = map[string]string{}

func TestFunctionsAndFilesStaySmall(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || f.generated {
			continue
		}
		if n := f.fset.Position(f.file.End()).Line; n > 600 && longFiles[f.name] == "" {
			t.Errorf("%s has %d lines; at most 600: split it by idea", f.name, n)
		}
		for _, d := range f.file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			from, to := f.fset.Position(fn.Pos()), f.fset.Position(fn.End())
			if n := to.Line - from.Line + 1; n > 80 && longFunctions[f.pkg+"."+fn.Name.Name] == "" {
				t.Errorf("%s: %s has %d lines; at most 80", from, fn.Name.Name, n)
			}
		}
	}
}

// vague words say nothing of what a thing is.
var vague = []string{"Manager", "Service", "Helper", "Util", "Impl", "Wrapper", "Globals"}

func TestNamesSayWhatAThingIs(t *testing.T) {
	for _, f := range sources(t) {
		ast.Inspect(f.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			for _, w := range vague {
				if strings.Contains(spec.Name.Name, w) {
					t.Errorf("%s: type %s: %q says nothing; name what it holds", f.fset.Position(spec.Pos()), spec.Name.Name, w)
				}
			}
			return true
		})
		base := strings.TrimSuffix(filepath.Base(f.name), ".go")
		if base == "types" || base == "utils" || base == "helpers" || base == "util" {
			t.Errorf("%s: name the file after the one idea in it", f.name)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || f.generated {
			continue
		}
		for _, d := range f.file.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: exported %s has no doc comment", f.fset.Position(d.Pos()), name)
			}
		}
	}
}

// undocumented lists the exported names of d that have no comment of their own
// or of their group.
func undocumented(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !wellKnown[d.Name.Name] {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		if d.Doc != nil {
			return nil
		}
		var names []string
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc == nil && s.Comment == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				if s.Names[0].IsExported() && s.Doc == nil && s.Comment == nil {
					names = append(names, s.Names[0].Name)
				}
			}
		}
		return names
	}
	return nil
}

// wellKnown methods implement an interface whose comment is their contract.
var wellKnown = map[string]bool{
	"String": true, "Error": true, "Len": true, "Less": true, "Swap": true, "Push": true, "Pop": true,
	"ServeHTTP": true, "RoundTrip": true, "Read": true, "Write": true, "Close": true, "Unwrap": true, "Is": true,
	"Describe": true, "Collect": true, "Run": true, "Update": true, "Health": true, "DebugInfo": true, "Handler": true,
	"SetToDefault": true, "Validate": true, "AlloyCapsule": true, "ConvertFrom": true, "ConvertInto": true,
	"MarshalText": true, "UnmarshalText": true, "Resolve": true, "Epoch": true, "Append": true, "Flush": true, "Release": true,
	"Enabled": true, "Handle": true, "WithAttrs": true, "WithGroup": true, "Accept": true, "Addr": true,
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func TestTestsNeverSleepInRealTime(t *testing.T) {
	for _, f := range sources(t) {
		if !f.test || f.pkg == "e2e" || importsPath(f.file, "testing/synctest") {
			continue
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Sleep" {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "time" {
				t.Errorf("%s: a test that sleeps: use testing/synctest, or wait for a condition", f.fset.Position(sel.Pos()))
			}
			return true
		})
	}
}

func TestOnlyCommandsExit(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || strings.HasPrefix(f.pkg, "cmd/") || strings.HasPrefix(f.pkg, "bench") || strings.Contains(f.pkg, "/cmd/") {
			continue
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if id, isIdent := selIdent(sel, ok); isIdent && id == "os" && sel.Sel.Name == "Exit" {
				t.Errorf("%s: only a command may end the process; return an error", f.fset.Position(sel.Pos()))
			}
			return true
		})
	}
}

func selIdent(sel *ast.SelectorExpr, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	id, isIdent := sel.X.(*ast.Ident)
	if !isIdent {
		return "", false
	}
	return id.Name, true
}

func importsPath(f *ast.File, path string) bool {
	for _, imp := range f.Imports {
		if p, _ := strconv.Unquote(imp.Path.Value); p == path {
			return true
		}
	}
	return false
}

// allowed reports whether package from may import package to.
func allowed(from, to string) bool {
	for _, rule := range mayImport {
		if !covers(rule.from, from) {
			continue
		}
		for _, a := range rule.to {
			if a == "" || covers(a, to) {
				return true
			}
		}
		return false
	}
	return false
}

// covers reports whether pattern, a package or a folder ending in "/", means pkg.
func covers(pattern, pkg string) bool {
	if folder, ok := strings.CutSuffix(pattern, "/"); ok {
		return pkg == folder || strings.HasPrefix(pkg, pattern)
	}
	return pkg == pattern
}

// A source is one parsed Go file of the module.
type source struct {
	name      string // path from the root of the module
	pkg       string // its folder
	test      bool
	generated bool
	fset      *token.FileSet
	file      *ast.File
}

// sources parses every Go file of the module, without nested modules.
func sources(t *testing.T) []source {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var list []source
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != root {
				return filepath.SkipDir
			}
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		pkg := filepath.ToSlash(filepath.Dir(name))
		list = append(list, source{
			name:      filepath.ToSlash(name),
			pkg:       pkg,
			test:      strings.HasSuffix(path, "_test.go") || strings.HasSuffix(pkg, "test"),
			generated: ast.IsGenerated(file),
			fset:      fset,
			file:      file,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
