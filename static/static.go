// Package static holds the files that every page uses. Each has a URL with a hash of its content in it, so that a
// browser may keep it for ever and a new version is a new URL.
package static

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"path"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

//go:embed *.css *.js *.svg
var embedded embed.FS

// Prefix is where the files are served.
const Prefix = "/static/"

// File is one file as it is served.
type File struct {
	ContentType string
	Body        []byte
	compress    func() (brotli, gzip []byte)
}

// Compressed gives the body in Brotli and in gzip. It is done once, at the first call.
func (f *File) Compressed() (brotli, gzip []byte) { return f.compress() }

var (
	urls  = map[string]string{} // plain name -> URL
	files = map[string]*File{}  // name with hash -> file
)

// Modules import each other by their plain names; "./thread.js" must be known before whoever imports it.
var modules = []string{"zone.js", "thread.js", "composer.js", "live.js"}

func init() {
	for _, name := range modules {
		add(name)
	}
	names, err := fs.Glob(embedded, "*")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, name := range names {
		if urls[name] == "" {
			add(name)
		}
	}
}

func add(name string) {
	body, err := embedded.ReadFile(name)
	if err != nil {
		panic(err) // the names are those of the embedded files
	}
	if strings.HasSuffix(name, ".js") {
		body = resolveImports(body)
	}
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	urls[name] = Prefix + hashed
	files[hashed] = &File{ContentType: mime.TypeByExtension(ext), Body: body, compress: sync.OnceValues(func() ([]byte, []byte) {
		return compressed(body)
	})}
}

// resolveImports puts URLs in the place of the modules' plain names.
func resolveImports(body []byte) []byte {
	for _, name := range modules {
		if url := urls[name]; url != "" {
			body = bytes.ReplaceAll(body, []byte(`"./`+name+`"`), []byte(`"`+url+`"`))
		}
	}
	return body
}

func compressed(body []byte) (br, gz []byte) {
	var brBuffer, gzBuffer bytes.Buffer
	brWriter := brotli.NewWriterLevel(&brBuffer, brotli.BestCompression)
	gzWriter, err := gzip.NewWriterLevel(&gzBuffer, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	for _, w := range []interface {
		Write([]byte) (int, error)
		Close() error
	}{brWriter, gzWriter} {
		_, _ = w.Write(body) // writing to memory doesn't fail
		_ = w.Close()
	}
	return brBuffer.Bytes(), gzBuffer.Bytes()
}

// URL gives the URL of a file by its plain name, such as "app.css". It panics for a name that isn't there, which the
// first look at any page shows.
func URL(name string) string {
	url, ok := urls[name]
	if !ok {
		panic("static: no file " + name)
	}
	return url
}

// Lookup finds a file by the part of its URL behind Prefix, nil where there is none.
func Lookup(hashed string) *File { return files[hashed] }

// Names lists the plain names.
func Names() []string {
	names := make([]string, 0, len(urls))
	for name := range urls {
		names = append(names, name)
	}
	return names
}
