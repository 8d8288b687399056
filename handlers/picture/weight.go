package picture

import (
	"bytes"
	"image"
	"image/color"
)

// maxScans is how many scans a JPEG file may have. A progressive one has about ten; each is a pass over the whole image for
// as little as a dozen octets, so thousands of them would keep a processor busy for hours. maxPasses is how many samples all
// scans together may go over, at some 5 ns each: 21 megapixels, the most that maxOctets leaves to a progressive file, with
// fourteen scans. It is reckoned beforehand since a decoder that reads so little doesn't come to ask whether its time is over.
const (
	maxScans  = 64
	maxPasses = 450_000_000
)

// never is the weight of what isn't decoded at all.
const never = maxOctets + 1

// jpegWeight reckons with what image/jpeg holds: an octet a sample, and in a progressive file an int32 a coefficient besides.
func jpegWeight(c image.Config, file []byte) int64 {
	frame := jpegFrame(file)
	scans := bytes.Count(file, []byte{0xff, 0xda})
	if frame == nil || scans > maxScans {
		return never
	}
	samples := sampling(frame[1:])
	if samples*float64(c.Width)*float64(c.Height)*float64(scans) > maxPasses {
		return never
	}
	perPixel := samples
	if frame[0] == 0xc2 { // SOF2: progressive
		perPixel += 4 * samples
	}
	if c.ColorModel != color.YCbCrModel && c.ColorModel != color.GrayModel { // RGB and CMYK are put together at the end
		perPixel += 4
	}
	return int64(perPixel * float64(c.Width) * float64(c.Height))
}

// sampling is how many samples a frame has to a pixel: all components together, each as fine as it is stored.
func sampling(frame []byte) (samples float64) {
	if len(frame) < 6 {
		return never
	}
	most := 1.0
	for rest := frame[6:]; len(rest) >= 3; rest = rest[3:] {
		area := float64(rest[1]>>4) * float64(rest[1]&15)
		samples, most = samples+area, max(most, area)
	}
	return samples / most
}

// jpegFrame gives the marker and the content of the frame header, nil where there is none before the image's data.
func jpegFrame(file []byte) (frame []byte) {
	jpegSegments(file, func(marker byte, content []byte) bool {
		if marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc {
			frame = append([]byte{marker}, content...)
		}
		return frame == nil
	})
	return frame
}

// jpegSegments gives each segment of a JPEG file before the image's data, until f says no. It ends at whatever has no
// length, where image/jpeg would go on: read otherwise than there, a file could show one frame here and another there.
func jpegSegments(file []byte, f func(marker byte, content []byte) bool) {
	for rest := file[min(2, len(file)):]; len(rest) >= 4; {
		switch marker := rest[1]; {
		case rest[0] != 0xff:
			return
		case marker == 0xff: // a filler
			rest = rest[1:]
			continue
		case marker < 0xc0 || marker >= 0xd0 && marker <= 0xda: // stuffing, restarts, the file's ends, or the data begins
			return
		}
		n := 2 + int(rest[2])<<8 + int(rest[3])
		if n < 4 || n > len(rest) || !f(rest[1], rest[4:n]) {
			return
		}
		rest = rest[n:]
	}
}

// pngWeight reckons half as much more for a file that comes in several passes. A shade of grey that is to be transparent,
// which the configuration doesn't tell of, makes four channels of one.
func pngWeight(c image.Config, file []byte) int64 {
	perPixel := int64(4)
	switch c.ColorModel {
	case color.GrayModel:
		if !bytes.Contains(file, []byte("tRNS")) {
			perPixel = 1
		}
	case color.Gray16Model:
		if perPixel = 2; bytes.Contains(file, []byte("tRNS")) {
			perPixel = 8
		}
	case color.RGBA64Model, color.NRGBA64Model:
		perPixel = 8
	default:
		if _, ok := c.ColorModel.(color.Palette); ok {
			perPixel = 1
		}
	}
	weight := perPixel * int64(c.Width) * int64(c.Height)
	const interlacing = 28 // its place in the file: the signature, and IHDR's length, name and first twelve octets
	if len(file) > interlacing && file[interlacing] != 0 {
		weight += weight / 2
	}
	return weight
}

func gifWeight(c image.Config, _ []byte) int64 { return int64(c.Width) * int64(c.Height) }

// webpWeight is that of the costlier of the two ways in which WebP is stored: the pixels, and once more while they are
// transformed.
func webpWeight(c image.Config, _ []byte) int64 { return 8 * int64(c.Width) * int64(c.Height) }
