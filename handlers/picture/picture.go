// Package picture makes a small square picture of whatever image somebody sends. Nothing of the file itself comes out: it
// is decoded, cropped, scaled and encoded anew, so that metadata, and whatever else may hide in a file, stays behind. It
// knows neither HTTP nor the database.
package picture

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/gabriel-vasile/mimetype"
	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// The sides of the two sizes in pixels: one for lists, one for profiles and for screens with several pixels to a dot.
const (
	SmallSide = 64
	LargeSide = 256
)

// What decoding one image may cost. 40 megapixels are more than cameras of phones give by default. The octets are what
// the decoder holds of the image (see weight): 160 MB at worst, and 18 MB for a photo of 12 megapixels. One at a time is
// enough, as such a photo takes less than half a second, and more would only hold more.
const (
	maxPixels   = 40_000_000
	maxOctets   = 160_000_000
	maxAtOnce   = 1
	jpegQuality = 85
)

// The errors of Make.
var (
	ErrKind    = errors.New("not a JPEG, PNG, GIF or WebP image")
	ErrDamaged = errors.New("the image is damaged")
	ErrLarge   = errors.New("the image has too many pixels")
)

// Picture is a square picture in two sizes.
type Picture struct {
	ContentType  string // image/png where something shows through, else image/jpeg
	Small, Large []byte
}

// kind is a format of images.
type kind struct {
	contentType string
	config      func(io.Reader) (image.Config, error)
	decode      func(io.Reader) (image.Image, error) // of what moves, the first frame
	weight      func(image.Config, []byte) int64     // what decoding holds, in octets
	exif        func([]byte) []byte                  // the EXIF block, nil where there is none
}

var kinds = []kind{
	{"image/jpeg", jpeg.DecodeConfig, jpeg.Decode, jpegWeight, jpegEXIF},
	{"image/png", png.DecodeConfig, png.Decode, pngWeight, pngEXIF},
	{"image/gif", gif.DecodeConfig, gif.Decode, gifWeight, noEXIF},
	{"image/webp", webp.DecodeConfig, webp.Decode, webpWeight, webpEXIF},
}

func noEXIF([]byte) []byte { return nil }

// slots bound how many images are decoded at once.
var slots = make(chan struct{}, maxAtOnce)

// Make makes a picture of an image file. The kind is what the content says, whatever the file is called. It waits for its
// turn, and gives up with ctx's error when that ends.
func Make(ctx context.Context, file []byte) (Picture, error) {
	k, ok := kindOf(file)
	if !ok {
		return Picture{}, ErrKind
	}
	// Before anything is decoded: a few octets can claim to be an image of any size.
	config, err := k.config(bytes.NewReader(file))
	if err != nil || config.Width <= 0 || config.Height <= 0 {
		return Picture{}, ErrDamaged
	}
	if int64(config.Width)*int64(config.Height) > maxPixels || k.weight(config, file) > maxOctets {
		return Picture{}, ErrLarge
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return Picture{}, ctx.Err()
	}
	return k.picture(ctx, file)
}

// kindOf looks at the first octets. What mimetype knows more closely, such as an animated PNG, is the kind that it is of.
func kindOf(file []byte) (kind, bool) {
	for found := mimetype.Detect(file); found != nil; found = found.Parent() {
		for _, k := range kinds {
			if found.Is(k.contentType) {
				return k, true
			}
		}
	}
	return kind{}, false
}

func (k kind) picture(ctx context.Context, file []byte) (Picture, error) {
	full, err := k.decode(&untilDone{ctx, bytes.NewReader(file)})
	if ctx.Err() != nil {
		return Picture{}, ctx.Err()
	}
	if err != nil || full.Bounds().Empty() {
		return Picture{}, ErrDamaged
	}
	turn := orientation(k.exif(file))
	large := turned(scaled(square(full), LargeSide), turn)
	return encoded(large, scaled(large, SmallSide))
}

// untilDone ends a decoder's work with ctx: it asks for more every few kilobytes.
type untilDone struct {
	ctx  context.Context
	from *bytes.Reader
}

func (r *untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}

// part is a part of an image.
type part struct {
	image.Image
	bounds image.Rectangle
}

// square is the middle of an image.
func square(m image.Image) part {
	b := m.Bounds()
	side := min(b.Dx(), b.Dy())
	corner := b.Min.Add(image.Pt((b.Dx()-side)/2, (b.Dy()-side)/2))
	return part{m, image.Rectangle{corner, corner.Add(image.Pt(side, side))}}
}

// coarse is the side from which on an image is first scaled by looking at some of its pixels only: looking at each costs
// seconds where it is large, and isn't to be seen in something so small.
const coarse = 4 * LargeSide

func scaled(m image.Image, side int) *image.RGBA {
	from := m.Bounds()
	if p, ok := m.(part); ok {
		m, from = p.Image, p.bounds
	}
	if from.Dx() > 2*coarse {
		rough := image.NewRGBA(image.Rect(0, 0, coarse, coarse))
		draw.ApproxBiLinear.Scale(rough, rough.Bounds(), m, from, draw.Src, nil)
		m, from = rough, rough.Bounds()
	}
	to := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.CatmullRom.Scale(to, to.Bounds(), m, from, draw.Src, nil)
	return to
}

func encoded(large, small *image.RGBA) (p Picture, err error) {
	p.ContentType = "image/jpeg"
	encode := func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, &jpeg.Options{Quality: jpegQuality}) }
	if !large.Opaque() {
		p.ContentType, encode = "image/png", png.Encode
	}
	var out [2]bytes.Buffer
	err = errors.Join(encode(&out[0], small), encode(&out[1], large))
	p.Small, p.Large = out[0].Bytes(), out[1].Bytes()
	return p, err
}
