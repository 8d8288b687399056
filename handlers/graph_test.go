package handlers

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayImport is who may import whom: DESIGN section 3. A package that isn't here has no place in it yet.
var mayImport = map[string][]string{
	"parley/cmd/parley":       {"db", "db/chat", "db/demo", "db/private", "handlers", "handlers/fanout", "handlers/mail", "handlers/throttle", "handlers/trace"},
	"parley/cmd/bench":        {"db", "db/chat", "db/private"}, // as the database too: its limits, and what no server would write so fast
	"parley/cmd/torture":      {"db", "db/chat", "db/private"}, // it looks at Parley from outside; these make its database
	"parley/handlers":         {"views", "static", "db/chat", "db/meter", "handlers/hub", "handlers/fanout", "handlers/mail", "handlers/metrics", "handlers/passkey", "handlers/picture", "handlers/throttle", "handlers/trace"},
	"parley/handlers/hub":     {},
	"parley/handlers/fanout":  {"db/chat", "db/meter"},
	"parley/handlers/mail":    {"db/chat", "views"}, // views has the words
	"parley/handlers/passkey": {"db/chat"},
	"parley/views":            {"static", "db/chat"},
	"parley/static":           {},
	"parley/db":               {},
	"parley/db/chat":          {"queries", "db/meter"},
	"parley/db/demo":          {"db/chat"},
	"parley/db/private":       {},
	"parley/db/dbtest":        {"db", "db/private"}, // for tests alone: nobody imports it
	"parley/db/engine":        {"db/private"},       // as is this
	"parley/cmd/engine":       {"db/engine"},        // a tool for the tests
	"parley/queries":          {},

	// It counts how often things are done, and doesn't know what they are.
	"parley/handlers/throttle": {},

	"parley/handlers/picture": {}, // images alone
	// Counters for every layer, which therefore knows none of them.
	"parley/db/meter": {},
	// Prometheus is known here and nowhere else: this package reads what the others count by themselves.
	"parley/handlers/trace":   {"db/chat"}, // what db/chat tells of messages, kept for admins
	"parley/handlers/metrics": {"db/chat", "db/meter", "handlers/hub", "handlers/fanout"},
}

// mustNotReach is what a package may not even depend on through others.
var mustNotReach = map[string][]string{
	"parley/db":               {"net/http", "github.com/prometheus/", "github.com/gofiber/", "github.com/a-h/templ", "github.com/valyala/"},
	"parley/db/chat":          {"net/http", "github.com/prometheus/", "github.com/gofiber/", "github.com/a-h/templ", "github.com/valyala/", "parley/handlers", "parley/views"},
	"parley/db/demo":          {"net/http", "github.com/gofiber/", "github.com/a-h/templ", "github.com/valyala/", "parley/handlers", "parley/views"},
	"parley/db/private":       {"net/http", "github.com/gofiber/", "github.com/a-h/templ", "github.com/valyala/"},
	"parley/queries":          {"net/http", "github.com/gofiber/", "github.com/a-h/templ", "github.com/valyala/", "parley/db"},
	"parley/handlers/hub":     {"net/http", "github.com/prometheus/", "github.com/gofiber/", "github.com/fasthttp/", "github.com/valyala/", "database/sql", "parley/db", "parley/queries"},
	"parley/handlers/picture": {"github.com/gofiber/", "github.com/valyala/", "database/sql", "parley/db"},
	"parley/views":            {"github.com/gofiber/", "github.com/valyala/", "parley/handlers"},
	"parley/static":           {"github.com/gofiber/", "github.com/valyala/", "github.com/a-h/templ", "database/sql", "parley/db"},

	"parley/handlers/throttle": {"github.com/gofiber/", "github.com/valyala/", "database/sql", "parley/db", "parley/queries"},

	"parley/db/meter":        {"net/http", "database/sql", "parley/"},
	"parley/handlers/fanout": {"github.com/prometheus/"},
}

type goPackage struct {
	ImportPath    string
	Imports, Deps []string
}

func packages(t *testing.T) (all []goPackage) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "./...")
	list.Dir = ".."
	text, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for decoder := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestWhoImportsWhom(t *testing.T) {
	all := packages(t)
	for _, p := range all {
		allowed, known := mayImport[p.ImportPath]
		if !known {
			t.Errorf("%s has no place in the design's graph", p.ImportPath)
		}
		for _, imported := range p.Imports {
			if short, ours := strings.CutPrefix(imported, "parley/"); ours && !slices.Contains(allowed, short) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
		for _, forbidden := range mustNotReach[p.ImportPath] {
			if i := slices.IndexFunc(p.Deps, func(dep string) bool { return strings.HasPrefix(dep+"/", strings.TrimSuffix(forbidden, "/")+"/") }); i >= 0 {
				t.Errorf("%s depends on %s", p.ImportPath, p.Deps[i])
			}
		}
	}
	if len(all) < 10 {
		t.Errorf("go list gave only %d packages", len(all))
	}
}

// Only cmd, views, handlers, db, queries and static hold code, and each noun has one file name in every layer.
func TestFilesAreNamedAfterNouns(t *testing.T) {
	for _, noun := range []string{"message", "conversation", "user", "session"} {
		layers := []string{"../queries/" + noun + ".sql", "../db/chat/" + noun + ".go", noun + ".go"}
		if noun != "session" { // its form is that of signing in
			layers = append(layers, "../views/"+noun+".templ")
		}
		for _, file := range layers {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s has no %s", noun, file)
			}
		}
	}
}

// length is how many lines a function has between its braces' lines.
type length struct {
	name  string
	lines int
}

// functions measures every function that people wrote and that isn't a test.
func functions(t *testing.T) (all []length) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		if err == nil && entry.IsDir() && strings.HasPrefix(name, ".") && name != ".." {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil || ast.IsGenerated(file) {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				lines := files.Position(f.Body.Rbrace).Line - files.Position(f.Body.Lbrace).Line - 1
				all = append(all, length{path + " " + f.Name.Name, max(lines, 1)})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b length) int { return a.lines - b.lines })
	return all
}

// screen is how many lines of a function can be seen at once.
const screen = 55

func TestFunctionsAreShort(t *testing.T) {
	all := functions(t)
	median, most := all[len(all)/2].lines, all[len(all)-1]
	t.Logf("%d functions, median %d lines, 90th percentile %d, longest %s with %d", len(all), median, all[len(all)*9/10].lines, most.name, most.lines)
	if median >= 15 {
		t.Errorf("the median function has %d lines, want fewer than 15", median)
	}
	if most.lines > screen {
		t.Errorf("%s has %d lines, more than a screen", most.name, most.lines)
	}
	if p := all[len(all)*9/10]; p.lines > 55 {
		t.Errorf("a tenth of the functions have %d lines or more", p.lines)
	}
}
