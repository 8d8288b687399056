package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"slices"
	"testing"
)

// quick is how many pixels an image may claim here: what is larger takes as long and finds no more.
const quick = 1 << 20

// Whatever a file holds, it is a picture of both sizes or one of three errors, and decoding takes no more memory than it was
// weighed with: a file that claims little and takes much would be a bomb.
func FuzzMake(f *testing.F) {
	small := flag(16, 16)
	scans := asJPEG(f, small)
	for _, file := range [][]byte{
		nil, []byte("<svg/>"), webpFile, asPNG(f, small), asGIF(f, small), scans, withEXIF(scans, exif(6, binary.LittleEndian)), withEXIF(scans, exif(3, binary.BigEndian)),
		withChunk(asPNG(f, small), "eXIf", exif(5, binary.LittleEndian)), pngBomb(50_000, 50_000, 8, 2), pngBomb(64, 64, 16, 6), gifBomb(65_535, 65_535), gifBomb(300, 2), webpBomb(),
		scans[:len(scans)/2], slices.Concat(asPNG(f, small), []byte("<script>")), []byte("GIF89a=1;alert(1)//"), asPNG(f, image.NewPaletted(image.Rect(0, 0, 3, 3), color.Palette{color.White, color.Transparent})),
	} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		weight := int64(0)
		if k, ok := kindOf(file); ok {
			config, err := k.config(bytes.NewReader(file))
			if err == nil && int64(config.Width)*int64(config.Height) > quick && int64(config.Width)*int64(config.Height) <= maxPixels {
				return
			}
			weight = k.weight(config, file)
		}
		var p Picture
		var err error
		octets := allocated(func() { p, err = Make(t.Context(), file) })
		const ours = 32 << 20 // the smaller sizes, which don't depend on the file
		if weight <= maxOctets && int64(octets) > 2*weight+ours || weight > maxOctets && octets > ours {
			t.Errorf("%d octets were allocated, where %d were reckoned with", octets, weight)
		}
		if err == nil {
			looked(t, p)
		} else if err != ErrKind && err != ErrDamaged && err != ErrLarge {
			t.Error(err)
		}
	})
}
