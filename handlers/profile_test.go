package handlers

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"
)

// gzipped is how what go tool pprof reads begins.
var gzipped = []byte{0x1f, 0x8b}

func TestProfiles(t *testing.T) {
	w := newWorld(t)
	root := w.admin("root")
	for _, name := range []string{"heap", "goroutine", "allocs", "mutex", "block", "threadcreate"} {
		r := root.get("/admin/pprof/"+name).want(200).wantHeader("Content-Disposition", `attachment; filename="`+name+`.out"`)
		if !bytes.HasPrefix(r.body, gzipped) {
			t.Errorf("%s begins with %.20q", name, r.body)
		}
		checkSecurityHeaders(t, r)
	}
	root.get("/admin/pprof/goroutine?debug=1").want(200).wantHeader("Content-Type", "text/plain; charset=utf-8").wantText("goroutine profile: total")
	for _, path := range []string{"cmdline", "symbol", "nothing", "..%2fusers"} { // the command line may hold passwords
		root.get("/admin/pprof/"+path).want(404).wantHeader("Content-Disposition", "")
	}
	for _, query := range []string{"profile?seconds=0", "profile?seconds=21", "profile?seconds=x", "trace?seconds=6"} {
		root.get("/admin/pprof/"+query, asJSON).wantFields(400, "seconds")
	}
	if r := root.get("/admin/pprof/trace?seconds=1").want(200); !bytes.HasPrefix(r.body, []byte("go 1.")) {
		t.Errorf("the trace begins with %.20q", r.body)
	}
}

func TestProfilesAreForAdmins(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for _, name := range []string{"heap", "profile", "trace", "nothing"} {
		for _, s := range shapes {
			alice.get("/admin/pprof/"+name, s.ask).want(404)
			w.nobody().get("/admin/pprof/"+name, s.ask).want(map[shape]int{page: 303, fragment: 401, program: 401}[s.shape])
		}
	}
}

// One profile at a time; and whoever stops the server doesn't wait for one.
func TestProfileEndsWithTheServer(t *testing.T) {
	w := newWorld(t)
	root := w.admin("root")
	addr := w.listen()
	answered := make(chan []byte, 1)
	go func() {
		r, _ := http.NewRequest("GET", "http://"+addr+"/admin/pprof/profile?seconds=20", nil) // it is well formed
		r.Header.Set("Cookie", root.cookie())
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			answered <- nil
			return
		}
		defer answer.Body.Close()
		content, _ := io.ReadAll(answer.Body) // what is missing isn't a profile
		answered <- content
	}()
	await(t, "the profile to have begun", func() bool {
		return bytes.Contains(root.get("/admin/pprof/goroutine?debug=1").body, []byte("profileFor"))
	})
	root.get("/admin/pprof/profile?seconds=1", asJSON).wantProblem(http.StatusConflict)
	began := time.Now()
	w.shutdown()
	if content := <-answered; !bytes.HasPrefix(content, gzipped) {
		t.Errorf("the profile begins with %.20q", content)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("stopping took %s", took)
	}
}
