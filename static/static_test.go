package static

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

// file finds what a page gets for a plain name.
func file(t *testing.T, name string) *File {
	t.Helper()
	f := Lookup(strings.TrimPrefix(URL(name), Prefix))
	if f == nil {
		t.Fatalf("nothing is behind %s", URL(name))
	}
	return f
}

func TestEveryFileIsServed(t *testing.T) {
	names := Names()
	entries, err := embedded.ReadDir(".")
	if err != nil || len(entries) != len(names) {
		t.Errorf("%d files have %d names: %v", len(entries), len(names), err)
	}
	for _, needed := range []string{"app.css", "live.js", "htmx.min.js", "icon.svg"} {
		if !slices.Contains(names, needed) {
			t.Errorf("%s is missing", needed)
		}
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	for _, name := range names {
		if f := file(t, name); f.ContentType != kinds[path.Ext(name)] || len(f.Body) == 0 {
			t.Errorf("%s is %q of %d octets", name, f.ContentType, len(f.Body))
		}
	}
}

// A URL changes with the content, and with what the content imports: a browser keeps each for ever.
func TestURLsNameTheContent(t *testing.T) {
	for _, name := range Names() {
		ext := path.Ext(name)
		sum := sha256.Sum256(file(t, name).Body)
		if want := Prefix + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext; URL(name) != want {
			t.Errorf("%s is at %s, want %s", name, URL(name), want)
		}
	}
}

// A module that is imported by its plain name would be fetched from where nothing is, and fail in browsers alone.
func TestImportsAreResolved(t *testing.T) {
	imports := regexp.MustCompile(`(?:from|import)\s*\(?\s*["']([^"']+)["']`)
	found := 0
	for _, name := range Names() {
		if !strings.HasSuffix(name, ".js") || strings.HasSuffix(name, ".min.js") {
			continue
		}
		for _, at := range imports.FindAllSubmatch(file(t, name).Body, -1) {
			found++
			if Lookup(strings.TrimPrefix(string(at[1]), Prefix)) == nil {
				t.Errorf("%s imports %s, which isn't there", name, at[1])
			}
		}
	}
	if found == 0 {
		t.Error("no module imports another: this test's pattern finds nothing")
	}
}

// The Content-Security-Policy allows our own files alone: a style sheet that asks for another is a hole in a page.
func TestStylesAskForNothing(t *testing.T) {
	for _, name := range Names() {
		text := file(t, name).Body
		if strings.HasSuffix(name, ".css") && regexp.MustCompile(`(?i)@import|url\(\s*["']?(https?:|//|data:)`).Match(text) {
			t.Errorf("%s loads something from elsewhere", name)
		}
		if bytes.Contains(text, []byte("sourceMappingURL")) {
			t.Errorf("%s names a source map, which isn't there", name)
		}
	}
}

func TestCompressedIsTheSame(t *testing.T) {
	for _, name := range Names() {
		f := file(t, name)
		br, gz := f.Compressed()
		unpackedBr, err := io.ReadAll(brotli.NewReader(bytes.NewReader(br)))
		if err != nil || !bytes.Equal(unpackedBr, f.Body) {
			t.Errorf("%s in Brotli is another file: %v", name, err)
		}
		reader, err := gzip.NewReader(bytes.NewReader(gz))
		if err != nil {
			t.Fatal(err)
		}
		if unpackedGz, err := io.ReadAll(reader); err != nil || !bytes.Equal(unpackedGz, f.Body) {
			t.Errorf("%s in gzip is another file: %v", name, err)
		}
	}
}

// All that a first visit loads besides the page fits into 60 kB, about a second on a slow phone network.
func TestAllFilesAreSmall(t *testing.T) {
	total := 0
	for _, name := range Names() {
		br, gz := file(t, name).Compressed()
		total += len(br)
		t.Logf("%-14s %6d octets, %5d in Brotli, %5d in gzip", name, len(file(t, name).Body), len(br), len(gz))
	}
	if total > 60_000 {
		t.Errorf("the files have %d octets in Brotli, more than 60 kB", total)
	}
}

func TestUnknownFiles(t *testing.T) {
	for _, name := range []string{"", ".", "..", "app.css", "static.go", "../go.mod", strings.TrimPrefix(URL("app.css"), "/")} {
		if Lookup(name) != nil {
			t.Errorf("%q is a file", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a page that names a file which isn't there shows no fault")
		}
	}()
	URL("missing.js")
}
