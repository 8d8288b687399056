package handlers

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/db/chat"
)

// upload sends a file as a form does.
func upload(field string, file []byte) option {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	w, _ := form.CreateFormFile(field, "../../holiday.svg") // its name means nothing
	_, _ = w.Write(file)
	form.Close()
	return body(form.FormDataContentType(), b.String())
}

func imageFile(t testing.TB, transparent bool) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 90, 60))
	if !transparent {
		for i := range m.Pix {
			m.Pix[i] = 255
		}
	}
	m.SetRGBA(1, 1, color.RGBA{R: 255, A: 255})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPhotoIsSetShownAndRemoved(t *testing.T) {
	w := newWorld(t, forgetful)
	alice, bob := w.person("alice"), w.person("bob")
	alice.send("bob", "hi")
	alice.send("alice", "a note")
	alice.post("/account/photo", asPage, upload("photo", imageFile(t, false))).want(303).wantHeader("Location", "/account/profile?done=photo")
	var own ownProfileBody
	alice.get("/account/profile", asJSON).want(200).into(&own)
	if own.Photo == nil {
		t.Fatal("there is no photo")
	}
	for _, side := range []string{"64", "256"} {
		at := strings.TrimSuffix(*own.Photo, "256") + side
		r := bob.get(at).want(200).wantHeader("Content-Type", "image/jpeg").wantHeader("Cache-Control", "private, max-age=31536000, immutable").
			wantHeader("X-Content-Type-Options", "nosniff").wantHeader("Content-Disposition", `inline; filename="photo.jpg"`).
			wantHeader("Content-Security-Policy", photoPolicy).wantHeader("Cross-Origin-Resource-Policy", "same-origin").wantHeader("Content-Encoding", "")
		if c, err := jpeg.DecodeConfig(bytes.NewReader(r.body)); err != nil || c.Width != c.Height || (side == "64") != (c.Width == 64) {
			t.Errorf("%s: %+v, %v", at, c, err)
		}
		again := bob.get(at, header("If-None-Match", r.header.Get("ETag"))).want(304)
		if len(again.body) > 0 || r.header.Get("ETag") == "" {
			t.Errorf("%s is sent again", at)
		}
		w.nobody().get(at, asPage).want(303).wantHeader("Cache-Control", "no-store")
		w.nobody().get(at, asJSON).want(401)
	}
	for _, path := range []string{*own.Photo + "0", strings.TrimSuffix(*own.Photo, "256") + "512", "/photos/x/64"} {
		bob.get(path).want(404).wantHeader("Cache-Control", "no-store")
	}
	small := strings.TrimSuffix(*own.Photo, "256") + "64"
	for _, path := range []string{"/conversations", "/users", "/conversations/alice"} {
		img := bob.get(path, asPage).want(200).doc().Find(`img.avatar[src="` + small + `"]`)
		if img.Length() == 0 || img.AttrOr("alt", "none") != "" || img.AttrOr("width", "") == "" || img.AttrOr("height", "") == "" || img.AttrOr("loading", "") != "lazy" {
			t.Errorf("%s doesn't show the photo as it should", path)
		}
	}
	if alice.get("/conversations", asPage).doc().Find(`.me img.avatar`).Length() != 1 {
		t.Error("her own pages don't show it")
	}
	bob.get("/users/alice", asJSON).wantText(`"photo":"` + *own.Photo + `"`)
	bob.get("/conversations", asJSON).wantText(`"photo":"` + *own.Photo + `"`)
	alice.get("/conversations/alice", asJSON).wantText(`"photo":"` + *own.Photo + `"`)
	alice.post("/account/photo/remove", asJSON, form()).want(200).wantJSON(`{"username":"alice","display_name":"alice","photo":null}`)
	bob.get(*own.Photo).want(404)
	bob.get("/conversations/alice", asPage).want(200).wantNoText("/photos/")
	alice.post("/account/photo", asJSON, upload("photo", imageFile(t, true))).want(200).into(&own.userBody)
	bob.get(*own.Photo).want(200).wantHeader("Content-Type", "image/png").wantHeader("Content-Disposition", `inline; filename="photo.png"`)
}

// A page that is remembered for somebody is forgotten when what it shows of others changes.
func TestPagesForgetPhotos(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	alice.send("bob", "hi")
	for range 2 {
		bob.get("/conversations/alice", asPage).want(200).wantNoText("/photos/")
	}
	alice.post("/account/photo", asJSON, upload("photo", imageFile(t, false))).want(200)
	bob.get("/conversations/alice", asPage).want(200).wantText("/photos/")
}

func TestPhotosThatAreRefused(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for name, sent := range map[string]option{
		"a cut one":    upload("photo", imageFile(t, false)[:80]),
		"nothing":      upload("photo", nil),
		"other field":  upload("other", imageFile(t, false)),
		"a large file": upload("photo", append(imageFile(t, false), make([]byte, maxPhoto)...)),
	} {
		alice.post("/account/photo", asJSON, sent).wantFields(422, "photo")
		r := alice.post("/account/photo", asPage, sent).want(422)
		if r.doc().Find("#photo-error").Text() == "" || r.doc().Find("input[name=photo]").AttrOr("aria-describedby", "") != "photo-error photo-hint" {
			t.Errorf("%s: the page doesn't say what is wrong beside the field", name)
		}
	}
	alice.post("/account/photo", asJSON, upload("photo", imageFile(t, false)), header("Content-Encoding", "gzip")).want(415)
	alice.post("/account/photo", asJSON, body("image/png", string(imageFile(t, false)))).want(415)
	alice.post("/account/photo", asJSON, upload("photo", imageFile(t, false)), header("Sec-Fetch-Site", "cross-site")).want(403)
	if w.count("photos") != 0 {
		t.Error("one was stored all the same")
	}
}

// Only the photo's own address takes much, and only from people who are signed in; it is asked before anything is read.
func onlyPhotosMayBeLarge(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	alice.post("/account/photo", asJSON, upload("photo", append(imageFile(t, false), make([]byte, 3<<20)...))).want(200)
	addr := w.listen()
	wrong := &visitor{world: w, token: "wrong"}
	for _, c := range []struct {
		who    *visitor
		method string
		path   string
		length int
	}{
		{w.nobody(), "POST", "/account/photo", 3 << 20}, {wrong, "POST", "/account/photo", 3 << 20}, {alice, "PUT", "/account/photo", 3 << 20},
		{alice, "POST", "/account/profile", 3 << 20}, {alice, "POST", "/messages", 3 << 20}, {alice, "POST", "/account/photo/remove", 3 << 20},
		{alice, "POST", "/account/photo?x=1", 3 << 20}, {alice, "POST", "/login", 3 << 20}, {alice, "POST", "/account/photo", maxPhotoUpload + 1},
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nCookie: %s\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n", c.method, c.path, c.who.cookie(), c.length)
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 413 ") {
			t.Errorf("%s %s of %d octets: %q, %v", c.method, c.path, c.length, line, err)
		}
		conn.Close()
	}
}

// Uploads that never end are few, for each person and in all, so that they don't fill the memory.
func TestUploadsAreCounted(t *testing.T) {
	var u uploads
	begin := func(user uint64) string {
		id, ok := u.begin(chat.User{ID: user})
		if ok != (id != "") {
			t.Errorf("%q, %t", id, ok)
		}
		return id
	}
	first := begin(1)
	for i := 1; i <= maxUploads; i++ {
		if id := begin(1); (id != "") != (i < maxUploads) {
			t.Errorf("upload %d: %q", i, id)
		}
	}
	if begin(2) == "" {
		t.Error("another person can't upload")
	}
	u.end("") // a small one, that never began
	if begin(1) != "" {
		t.Error("one that never began has ended another")
	}
	if u.end(first); begin(1) == "" {
		t.Error("an upload that ended counts on")
	}
	for user := uint64(3); len(u.began) < maxUploadsHere; user++ {
		begin(user)
	}
	if begin(1000) != "" {
		t.Error("there is no end to all people's together")
	}
	for id := range u.began {
		u.began[id] = oneUpload{1, time.Now().Add(-uploadTime - time.Second)}
	}
	if begin(1) == "" || len(u.began) != 1 {
		t.Error("uploads whose time is over count on")
	}
}

// Those that are sent whole end, and no others.
func TestUploadsEnd(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	addr := w.listen()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /account/photo HTTP/1.1\r\nHost: x\r\nCookie: %s\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n", alice.cookie(), 3<<20)
	underWay := func() int {
		w.server.uploads.mu.Lock()
		defer w.server.uploads.mu.Unlock()
		return len(w.server.uploads.began)
	}
	await(t, "the upload", func() bool { return underWay() == 1 })
	for range 2 * maxUploads {
		alice.post("/account/photo", asJSON, upload("photo", imageFile(t, false))).want(200)
		alice.post("/account/photo/", asJSON, upload("photo", imageFile(t, false))).want(200) // another address, which gets no room
	}
	if underWay() != 1 {
		t.Errorf("%d are under way", underWay())
	}
}

// The hint on the page, in megabytes, is the limit.
func TestPhotoHint(t *testing.T) {
	w := newWorld(t)
	w.person("alice").get("/account/profile", asPage).want(200).wantText("up to 8 MB")
	if maxPhoto != 8<<20 {
		t.Error("the page says 8 MB")
	}
}

// claimed is an image that says it has as many pixels, and holds none of them.
func claimed(width, height uint32) map[string][]byte {
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), width), height)
	header = append(header, 8, 6, 0, 0, 0)
	chunk := func(content []byte) []byte {
		all := append(binary.BigEndian.AppendUint32(nil, uint32(len(content)-4)), content...)
		return binary.BigEndian.AppendUint32(all, crc32.ChecksumIEEE(content))
	}
	short := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, uint16(width)), uint16(height))
	return map[string][]byte{
		"PNG": slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk(header), chunk([]byte("IDATx\x9c")), chunk([]byte("IEND"))),
		"GIF": slices.Concat([]byte("GIF89a"), short, []byte{0xf7, 0, 0, '!', 0xf9, 4, 0, 0, 0, 0, 0, ',', 0, 0, 0, 0}, short, []byte{0, 8, 1, 0, 0, ';'}),
	}
}

// A few octets that claim to be a huge image cost a refusal, and neither memory nor time; more in handlers/picture.
func imageBombs(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for name, file := range claimed(60_000, 60_000) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		for range 5 {
			alice.post("/account/photo", asJSON, upload("photo", file)).wantFields(422, "photo")
		}
		runtime.ReadMemStats(&after)
		if spent, took := after.TotalAlloc-before.TotalAlloc, time.Since(start); spent > 64<<20 || took > 5*time.Second {
			t.Errorf("five of %s took %s and %d octets", name, took, spent)
		}
	}
	if w.count("photos") != 0 {
		t.Error("one was stored all the same")
	}
}

// Nothing that a browser could run is taken as a photo, whatever it is called and claims to be; and of an image that holds
// such a thing too, nothing but the pixels comes out.
func scriptsAreNoPhotos(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	const svg, page = `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>`, "<!doctype html><script>alert(1)</script>"
	for name, file := range map[string]string{
		"SVG": svg, "SVG with a prologue": `<?xml version="1.0"?>` + svg, "SVG in UTF-16": "\xff\xfe<\x00s\x00v\x00g\x00", "HTML": page, "HTML after blanks": " \n\t" + page, "XML": `<?xml version="1.0"?><x xmlns="http://www.w3.org/1999/xhtml"><script/></x>`,
		"PDF": "%PDF-1.7\n1 0 obj<</JS(app.alert(1))>>", "a script": "alert(1)", "Flash": "CWS\x07\x00", "HTML before an image": page + string(imageFile(t, false)), "HTML called a GIF": "GIF89a=1;/*" + page + "*/",
	} {
		for _, as := range []string{"image/png", "image/svg+xml", "text/html"} {
			alice.post("/account/photo", asJSON, fileOf(as, "x.png", []byte(file))).wantFields(422, "photo")
		}
		if w.count("photos") != 0 {
			t.Fatalf("%s was stored", name)
		}
	}
	hidden := slices.Concat(imageFile(t, true), []byte(page), []byte(svg))
	var own userBody
	alice.post("/account/photo", asJSON, fileOf("text/html", "x.html", hidden)).want(200).into(&own)
	for _, side := range []string{"64", "256"} {
		alice.get(strings.TrimSuffix(*own.Photo, "256")+side).want(200).wantHeader("Content-Type", "image/png").wantHeader("X-Content-Type-Options", "nosniff").
			wantHeader("Content-Security-Policy", photoPolicy).wantNoText("<svg", "<script", "alert")
	}
}

// fileOf is an upload that says what it is.
func fileOf(contentType, name string, file []byte) option {
	quoted := strings.NewReplacer("\\", "\\\\", `"`, "\\\"").Replace(name)
	return body("multipart/form-data; boundary=frontier", "--frontier\r\nContent-Disposition: form-data; name=\"photo\"; filename=\""+quoted+"\"\r\nContent-Type: "+contentType+"\r\n\r\n"+string(file)+"\r\n--frontier--\r\n")
}

// evilNames are names of files that lead elsewhere, run, or end what they stand in.
var evilNames = []string{
	"../../etc/passwd", `..\..\boot.ini`, "/etc/passwd", "x.php", "x.svg", `"><script>alert(1)</script>.png`, `x" onerror="alert(1).png`, "x.png; filename=y.html", "con", ".htaccess",
	strings.Repeat("x", 5000) + ".png", "\u202egnp.lmth", "x\u2028.png", "%2e%2e%2fx", "${jndi:x}", "|id", "`id`", "'; DROP TABLE photos; --.png", "",
}

// A file's name is nowhere: it isn't stored, shown, served or logged.
func fileNamesAreNothing(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	var first userBody
	alice.post("/account/photo", asJSON, fileOf("image/png", "plain.png", imageFile(t, false))).want(200).into(&first)
	want := structure(alice.get("/account/profile", asPage).want(200).doc())
	for _, name := range evilNames {
		r := alice.post("/account/photo", asJSON, fileOf("image/png", name, imageFile(t, false)))
		if r.status != 200 && name != "" { // "" is a form whose file nobody chose
			t.Errorf("%.40q: status %d", name, r.status)
		}
		if text := first.Photo; r.status == 200 && !bytes.Contains(r.body, []byte(*text)) {
			t.Errorf("%.40q: the same pixels have another address: %s", name, r.body)
		}
		shown := alice.get("/account/profile", asPage).want(200)
		checkHarmless(t, name, shown, want)
		refused := alice.post("/account/photo", asPage, fileOf("image/png", name, []byte("no image"))).want(422)
		for _, r := range []*reply{shown, refused, alice.get(*first.Photo).want(200).wantHeader("Content-Disposition", `inline; filename="photo.jpg"`)} {
			if name != "" && name != "con" && name != "x.svg" && strings.Contains(string(r.body), name) {
				t.Errorf("%s holds the name %.40q", r.what, name)
			}
		}
	}
	if log := w.log.String(); strings.Contains(log, "passwd") || strings.Contains(log, "jndi") || w.count("photos") != 1 {
		t.Errorf("the log has a name, or there are %d photos", w.count("photos"))
	}
}
