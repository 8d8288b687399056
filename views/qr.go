package views

import (
	"fmt"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// drawing is a picture as SVG has it.
type drawing struct{ box, path string }

// quiet is the margin that scanners need, in modules: ISO/IEC 18004.
const quiet = 4

// qrOf draws a text as QR code, a square a module. A text that is too long for one gives an empty picture; the secrets
// that are drawn here never are, and they stand beside it as text.
func qrOf(text string) drawing {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return drawing{}
	}
	var path strings.Builder
	size := code.Bounds().Dx()
	for y := range size {
		for x := range size {
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	return drawing{box: fmt.Sprintf("0 0 %d %d", size+2*quiet, size+2*quiet), path: path.String()}
}
