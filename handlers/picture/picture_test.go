package picture

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"runtime"
	"slices"
	"testing"
	"time"
)

// flag is an image whose four quarters can be told apart: red, green, blue and white, from the top left on by rows.
func flag(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, quarters[2*y/h][2*x/w])
		}
	}
	return m
}

var quarters = [2][2]color.RGBA{{{255, 0, 0, 255}, {0, 255, 0, 255}}, {{0, 0, 255, 255}, {255, 255, 255, 255}}}

func asJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asGIF(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// webpFile is a lossless WebP image of one green pixel.
var webpFile = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")

// looked decodes both sizes of a picture, and checks them.
func looked(t *testing.T, p Picture) (small, large image.Image) {
	t.Helper()
	for _, one := range []struct {
		file []byte
		side int
		to   *image.Image
	}{{p.Small, SmallSide, &small}, {p.Large, LargeSide, &large}} {
		m, format, err := image.Decode(bytes.NewReader(one.file))
		if err != nil || m.Bounds() != image.Rect(0, 0, one.side, one.side) || "image/"+format != p.ContentType {
			t.Fatalf("the picture is %v, %s, %v, want %d pixels and %s", m.Bounds(), format, err, one.side, p.ContentType)
		}
		*one.to = m
	}
	return small, large
}

func near(a, b color.Color) bool {
	r, g, bl, al := a.RGBA()
	r2, g2, b2, al2 := b.RGBA()
	far := func(x, y uint32) bool { return max(x, y)-min(x, y) > 0x2000 }
	return !far(r, r2) && !far(g, g2) && !far(bl, b2) && !far(al, al2)
}

// corners are the quarters of a picture, in the order of quarters.
func corners(m image.Image) (seen [4]color.Color) {
	side := m.Bounds().Dx()
	for i := range seen {
		seen[i] = m.At(side/4+i%2*side/2, side/4+i/2*side/2)
	}
	return seen
}

func TestEveryKind(t *testing.T) {
	for name, file := range map[string][]byte{
		"jpeg": asJPEG(t, flag(300, 300)), "png": asPNG(t, flag(40, 40)), "gif": asGIF(t, flag(128, 128)),
		"a large one": asJPEG(t, flag(3000, 3000)), "a wide one": asJPEG(t, middle(900, 300)), "a high one": asPNG(t, middle(300, 900)),
	} {
		p, err := Make(t.Context(), file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		small, large := looked(t, p)
		for _, m := range []image.Image{small, large} {
			for i, got := range corners(m) {
				if want := quarters[i/2][i%2]; !near(got, want) {
					t.Errorf("%s: quarter %d is %v, want %v", name, i, got, want)
				}
			}
		}
		if p.ContentType != "image/jpeg" || len(p.Large) > 40_000 || len(p.Small) > 10_000 {
			t.Errorf("%s: %s of %d and %d octets", name, p.ContentType, len(p.Large), len(p.Small))
		}
	}
	p, err := Make(t.Context(), webpFile)
	if err != nil {
		t.Fatalf("webp: %v", err)
	}
	looked(t, p)
}

// middle has the flag in its middle, and black beside it.
func middle(w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	side := min(w, h)
	f := flag(side, side)
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{A: 255})
			if in := image.Pt(x-(w-side)/2, y-(h-side)/2); in.In(f.Rect) {
				m.SetRGBA(x, y, f.RGBAAt(in.X, in.Y))
			}
		}
	}
	return m
}

func TestWhatIsTransparentStaysSo(t *testing.T) {
	m := flag(100, 100)
	for y := range 50 {
		for x := range 50 {
			m.SetRGBA(x, y, color.RGBA{})
		}
	}
	p, err := Make(t.Context(), asPNG(t, m))
	if err != nil || p.ContentType != "image/png" {
		t.Fatalf("%s, %v", p.ContentType, err)
	}
	_, large := looked(t, p)
	if _, _, _, a := large.At(10, 10).RGBA(); a != 0 {
		t.Errorf("what was transparent has an alpha of %d", a)
	}
}

// exif is a JPEG segment that says how to turn the image, and where it was taken.
func exif(orientation uint16, order binary.AppendByteOrder) []byte {
	head := "II*\x00"
	if order == binary.AppendByteOrder(binary.BigEndian) {
		head = "MM\x00*"
	}
	tiff := order.AppendUint32([]byte(head), 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, entry := range []struct{ tag, kind, value uint16 }{{0x0100, 3, 77}, {0x0112, 3, orientation}} {
		tiff = order.AppendUint16(tiff, entry.tag)
		tiff = order.AppendUint16(tiff, entry.kind)
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, entry.value)
		tiff = append(tiff, 0, 0)
	}
	return append(tiff, "\x00\x00\x00\x00GPS 52.5200 13.4050 a secret place"...)
}

func withEXIF(file, block []byte) []byte {
	content := append([]byte("Exif\x00\x00"), block...)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(content)+2))
	return slices.Concat(file[:2], segment, content, file[2:])
}

// asStored undoes what a viewer does for an orientation: what is seen at (x, y) is stored where the standard says, written
// here as rows and columns rather than as in the code that it tests.
var asStored = map[uint16][4]int{ // the quarters of the stored image, by those of the seen one: 0 1 / 2 3
	1: {0, 1, 2, 3}, 2: {1, 0, 3, 2}, 3: {3, 2, 1, 0}, 4: {2, 3, 0, 1},
	5: {0, 2, 1, 3}, 6: {1, 3, 0, 2}, 7: {3, 1, 2, 0}, 8: {2, 0, 3, 1},
}

func TestOrientation(t *testing.T) {
	for orientation, from := range asStored {
		m := flag(160, 160)
		for y := range 160 {
			for x := range 160 {
				seen := from[2*(2*y/160)+2*x/160]
				m.SetRGBA(x, y, quarters[seen/2][seen%2])
			}
		}
		block := exif(orientation, binary.LittleEndian)
		for name, file := range map[string][]byte{
			"little-endian": withEXIF(asJPEG(t, m), block), "big-endian": withEXIF(asJPEG(t, m), exif(orientation, binary.BigEndian)),
			"png": withChunk(asPNG(t, m), "eXIf", block),
		} {
			p, err := Make(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			_, large := looked(t, p)
			for i, got := range corners(large) {
				if want := quarters[i/2][i%2]; !near(got, want) {
					t.Errorf("orientation %d, %s: quarter %d is %v, want %v", orientation, name, i, got, want)
				}
			}
			for _, secret := range []string{"GPS", "secret", "Exif", "eXIf"} {
				if bytes.Contains(p.Large, []byte(secret)) || bytes.Contains(p.Small, []byte(secret)) {
					t.Errorf("%s: %q is still in the picture", name, secret)
				}
			}
		}
	}
}

func TestDamagedEXIFIsUpright(t *testing.T) {
	whole := exif(6, binary.LittleEndian)
	if orientation(whole) != 6 {
		t.Fatal("the block isn't read at all")
	}
	for n := range len(whole) {
		_ = orientation(whole[:n]) // does not fail
	}
	far := slices.Clone(whole)
	binary.LittleEndian.PutUint32(far[4:], 0xffffffff)
	many := slices.Clone(whole)
	binary.LittleEndian.PutUint16(many[8:], 0xffff)
	for name, block := range map[string][]byte{"far": far, "none": nil, "odd": exif(9, binary.LittleEndian), "text": []byte("a text of some length")} {
		if got := orientation(block); got != upright {
			t.Errorf("%s: %d", name, got)
		}
	}
	_ = orientation(many)
}

func withChunk(file []byte, name string, content []byte) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	chunk = append(append(chunk, name...), content...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	const behindIHDR = 33
	return slices.Concat(file[:behindIHDR], chunk, file[behindIHDR:])
}

// pngBomb claims a size, and has a little of the data for it.
func pngBomb(w, h uint32, depth, colours byte) []byte {
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	header = append(header, depth, colours, 0, 0, 0)
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	_, _ = z.Write(make([]byte, 1<<20))
	z.Close()
	file := []byte("\x89PNG\r\n\x1a\n")
	for _, c := range []struct {
		name    string
		content []byte
	}{{"IHDR", header}, {"IDAT", data.Bytes()}, {"IEND", nil}} {
		chunk := append([]byte(c.name), c.content...)
		file = binary.BigEndian.AppendUint32(file, uint32(len(c.content)))
		file = binary.BigEndian.AppendUint32(append(file, chunk...), crc32.ChecksumIEEE(chunk))
	}
	return file
}

func gifBomb(w, h uint16) []byte {
	file := binary.LittleEndian.AppendUint16([]byte("GIF89a"), w)
	file = append(binary.LittleEndian.AppendUint16(file, h), 0x80, 0, 0, 0, 0, 0, 255, 255, 255)
	file = append(file, 0x2c, 0, 0, 0, 0)
	file = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(file, w), h)
	return append(file, 0, 2, 2, 0x44, 1, 0, 0x3b)
}

// jpegBomb makes the frame header of a file claim another size.
func jpegBomb(t *testing.T, w, h uint16, marker byte) []byte {
	file := asJPEG(t, flag(16, 16))
	at := bytes.Index(file, []byte{0xff, 0xc0})
	file[at+1] = marker
	binary.BigEndian.PutUint16(file[at+5:], h)
	binary.BigEndian.PutUint16(file[at+7:], w)
	return file
}

// jpegWithTwoFrames has a marker without a length before its large frame. Whoever reads the next octets as its length comes out
// at a small frame, in the middle of a comment.
func jpegWithTwoFrames(t *testing.T) []byte {
	whole := jpegBomb(t, 6_000, 6_000, 0xc2)
	frame, scan := bytes.Index(whole, []byte{0xff, 0xc2}), bytes.Index(whole, []byte{0xff, 0xda})
	const behind = 2 + 0xffc2 // what the next marker is as a length
	large := slices.Concat([]byte{0xff, 0xd0}, whole[frame:scan])
	comment := make([]byte, 0xfffd)
	copy(comment[behind-len(large)-4:], "\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01\x01\x11\x00\xff\xda")
	first := slices.Clone(whole[scan:])
	copy(first[2+int(first[3])-3:], []byte{0, 0, 0}) // the first scan of a progressive file
	return slices.Concat(whole[:frame], large, []byte{0xff, 0xfe, 0xff, 0xff}, comment, first)
}

// jpegOfScans is a progressive file of one component whose scans each say in some sixty octets that nothing changes.
func jpegOfScans(side uint16, scans int) []byte {
	segment := func(marker byte, content ...byte) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(content)+2)), content...)
	}
	one := func(symbol byte, class byte) []byte { // a code of one bit
		return segment(0xc4, append(append([]byte{class, 1}, make([]byte, 15)...), symbol)...)
	}
	blocks := int(side/8) * int(side/8)
	size := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{8}, side), side)
	file := slices.Concat([]byte{0xff, 0xd8}, segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...), segment(0xc2, append(size, 1, 1, 0x11, 0)...),
		one(0, 0x00), one(0xe0, 0x10), // nothing, and the end of 16,384 blocks
		segment(0xda, 1, 1, 0, 0, 0, 0), make([]byte, blocks/8+2))
	for n := range scans - 1 {
		bits := byte(0x10) // refines
		if n == 0 {
			bits = 0x05
		}
		file = slices.Concat(file, segment(0xda, 1, 1, 0, 1, 63, bits), make([]byte, 15*(blocks>>14+1)/8+2))
	}
	return append(file, 0xff, 0xd9)
}

func webpBomb() []byte {
	file := slices.Clone(webpFile)
	binary.LittleEndian.PutUint32(file[21:], 0x3fff|0x3fff<<14)
	return file
}

// allocated is what f allocates in all, whether or not it is free again.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Nothing is allocated for what a file only claims.
func TestBombsCostNothing(t *testing.T) {
	scans := asJPEG(t, flag(16, 16))
	at := bytes.Index(scans, []byte{0xff, 0xda})
	scans = slices.Concat(scans[:at], bytes.Repeat(scans[at:len(scans)-2], 2000), scans[len(scans)-2:])
	for name, file := range map[string][]byte{
		"a huge PNG": pngBomb(50_000, 50_000, 8, 2), "a PNG at the limit of the format": pngBomb(1<<31-1, 1<<31-1, 8, 6),
		"a PNG of 16 bits": pngBomb(6_000, 6_000, 16, 6), "a wide PNG": pngBomb(40_000_001, 1, 1, 0),
		"a huge GIF": gifBomb(65_535, 65_535), "a huge JPEG": jpegBomb(t, 65_535, 65_535, 0xc0),
		"a JPEG that shows another frame": jpegWithTwoFrames(t), "a PNG of 16 bits with a transparent grey": withChunk(pngBomb(6_000, 6_000, 16, 0), "tRNS", []byte{0, 0}),
		"a large JPEG with many scans": jpegOfScans(5_600, 64),
		"a large progressive JPEG":     jpegBomb(t, 6_000, 6_000, 0xc2), "a huge WebP": webpBomb(), "a JPEG with 2,000 scans": scans,
	} {
		began := time.Now()
		var err error
		octets := allocated(func() { _, err = Make(context.Background(), file) })
		if err != ErrLarge && err != ErrDamaged || octets > 4<<20 {
			t.Errorf("%s: %v, with %d octets allocated", name, err, octets)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s took %s", name, took)
		}
		if err == ErrDamaged && name != "a PNG at the limit of the format" {
			t.Errorf("%s isn't refused for its size", name)
		}
	}
}

// As many scans as programs make are taken, and as large an image.
func TestScansOfAnImage(t *testing.T) {
	for side, scans := range map[uint16]int{512: 64, 2_400: 12} {
		if _, err := Make(context.Background(), jpegOfScans(side, scans)); err != nil {
			t.Errorf("%d by %d with %d scans: %v", side, side, scans, err)
		}
	}
}

func TestWhatIsNoImage(t *testing.T) {
	small := asPNG(t, flag(16, 16))
	for name, file := range map[string][]byte{
		"nothing": nil, "text": []byte("hello"), "SVG": []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`),
		"SVG with a prologue": []byte(`<?xml version="1.0"?><!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg"/>`),
		"HTML":                []byte("<!DOCTYPE html><html><script>alert(1)</script></html>"), "BMP": append([]byte("BM"), make([]byte, 60)...),
		"HTML before a PNG": append([]byte("<html>"), small...), "PDF": []byte("%PDF-1.7\n"), "ZIP": []byte("PK\x03\x04xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
		"TIFF": []byte("II*\x00\x08\x00\x00\x00"), "AVIF": []byte("\x00\x00\x00\x20ftypavif\x00\x00\x00\x00avifmif1"),
	} {
		if _, err := Make(t.Context(), file); err != ErrKind {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, file := range map[string][]byte{
		"a script that begins as a GIF": []byte("GIF89a=1;alert(document.domain)//"), "a header alone": []byte("\x89PNG\r\n\x1a\n"),
		"a JPEG that is cut": asJPEG(t, flag(300, 300))[:2000], "a PNG that is cut": asPNG(t, noise(64))[:5000],
		"a GIF that is cut": asGIF(t, noise(64))[:2500], "a WebP that is cut": webpFile[:28],
	} {
		if _, err := Make(t.Context(), file); err != ErrDamaged && !(err == ErrLarge && name == "a script that begins as a GIF") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func noise(side int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i * 2654435761 >> 7)
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return m
}

// A file can be an image and something else as well. What comes out is only the image.
func TestPolyglotsLoseTheirOtherTongue(t *testing.T) {
	payload := []byte("<script>alert(1)</script>")
	whole := asJPEG(t, flag(64, 64))
	comment := slices.Concat(whole[:2], []byte{0xff, 0xfe, 0, byte(len(payload) + 2)}, payload, whole[2:])
	for name, file := range map[string][]byte{
		"behind a JPEG": append(slices.Clone(whole), payload...), "in a JPEG's comment": comment,
		"in a PNG's text": withChunk(asPNG(t, flag(64, 64)), "tEXt", append([]byte("Comment\x00"), payload...)),
		"behind a PNG":    append(asPNG(t, flag(64, 64)), payload...), "behind a GIF": append(asGIF(t, flag(64, 64)), payload...),
		"a ZIP behind a JPEG": append(slices.Clone(whole), "PK\x03\x04"+string(payload)...),
	} {
		p, err := Make(t.Context(), file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, out := range [][]byte{p.Small, p.Large} {
			if bytes.Contains(out, []byte("script")) || bytes.Contains(out, []byte("PK\x03\x04")) {
				t.Errorf("%s: it is still there", name)
			}
		}
	}
}

func TestOnlySoManyAtOnce(t *testing.T) {
	for range maxAtOnce {
		slots <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := Make(ctx, asPNG(t, flag(16, 16)))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while all places are taken: %v", err)
	}
	for range maxAtOnce {
		<-slots
	}
	if _, err := Make(t.Context(), asPNG(t, flag(16, 16))); err != nil {
		t.Error(err)
	}
}

// What decoding holds of an image at the limits is about what it is weighed with.
func BenchmarkMake(b *testing.B) {
	for name, file := range map[string][]byte{"12 megapixels": asJPEG(b, image.NewYCbCr(image.Rect(0, 0, 4000, 3000), image.YCbCrSubsampleRatio420)), "40 megapixels": asJPEG(b, image.NewYCbCr(image.Rect(0, 0, 7300, 5470), image.YCbCrSubsampleRatio420))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Make(b.Context(), file); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
