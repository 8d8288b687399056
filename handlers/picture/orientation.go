package picture

import (
	"bytes"
	"encoding/binary"
	"image"
)

// upright is the orientation of an image that is shown as it is stored. The others, up to 8, are those of TIFF 6.0 and
// EXIF 2.3, tag 0x0112.
const upright = 1

// orientation reads how an image is to be turned from an EXIF block, which is a small TIFF file. Whatever it doesn't
// understand is upright.
func orientation(exif []byte) int {
	if len(exif) < 8 {
		return upright
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(exif[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}
	start := order.Uint32(exif[4:])
	if uint64(start)+2 > uint64(len(exif)) {
		return upright
	}
	const orientationTag, short = 0x0112, 3
	rest := exif[start+2:]
	for range order.Uint16(exif[start:]) {
		if len(rest) < 12 {
			return upright
		}
		value := int(order.Uint16(rest[8:]))
		if order.Uint16(rest) == orientationTag && order.Uint16(rest[2:]) == short && value >= 1 && value <= 8 {
			return value
		}
		rest = rest[12:]
	}
	return upright
}

// turned gives a square picture as it is to be seen.
func turned(m *image.RGBA, orientation int) *image.RGBA {
	if orientation == upright {
		return m
	}
	last := m.Bounds().Dx() - 1
	to := image.NewRGBA(m.Bounds())
	for y := range last + 1 {
		for x := range last + 1 {
			fromX, fromY := stored(x, y, last, orientation)
			to.SetRGBA(x, y, m.RGBAAt(fromX, fromY))
		}
	}
	return to
}

// stored says where the pixel that is seen at (x, y) is stored, in a square whose last row and column is last.
func stored(x, y, last, orientation int) (int, int) {
	switch orientation {
	case 2: // mirrored left to right
		return last - x, y
	case 3: // upside down
		return last - x, last - y
	case 4:
		return x, last - y
	case 5:
		return y, x
	case 6: // to be turned clockwise
		return y, last - x
	case 7:
		return last - y, last - x
	case 8: // to be turned the other way
		return last - y, x
	default:
		return x, y
	}
}

func jpegEXIF(file []byte) (exif []byte) {
	jpegSegments(file, func(marker byte, content []byte) bool {
		const app1 = 0xe1
		if block, ok := bytes.CutPrefix(content, []byte("Exif\x00\x00")); ok && marker == app1 {
			exif = block
		}
		return exif == nil
	})
	return exif
}

// pngEXIF walks the chunks: a length, a name, the content and a checksum.
func pngEXIF(file []byte) []byte {
	const signature, around = 8, 12
	for rest := file[min(signature, len(file)):]; len(rest) >= around; {
		n := uint64(binary.BigEndian.Uint32(rest)) + around
		if n > uint64(len(rest)) {
			return nil
		}
		if string(rest[4:8]) == "eXIf" {
			return rest[8 : n-4]
		}
		rest = rest[n:]
	}
	return nil
}

// webpEXIF walks the chunks: a name, a length, and the content with an even length.
func webpEXIF(file []byte) []byte {
	const signature, before = 12, 8
	for rest := file[min(signature, len(file)):]; len(rest) >= before; {
		n := uint64(binary.LittleEndian.Uint32(rest[4:])) + before
		if n > uint64(len(rest)) {
			return nil
		}
		if string(rest[:4]) == "EXIF" {
			return bytes.TrimPrefix(rest[before:n], []byte("Exif\x00\x00"))
		}
		rest = rest[min(n+n%2, uint64(len(rest))):]
	}
	return nil
}
