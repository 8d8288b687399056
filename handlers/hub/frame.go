package hub

import (
	"encoding/binary"
	"unicode/utf8"
)

// Opcodes of RFC 6455 section 5.2.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// maxControl is the longest payload of a control frame: RFC 6455 section 5.5.
const maxControl = 125

// frame is what goes over the wire: RFC 6455 section 5.2, without a mask, which servers don't use.
func frame(op byte, payload []byte) []byte {
	const final = 0x80
	data := make([]byte, 0, len(payload)+10)
	switch n := len(payload); {
	case n <= maxControl:
		data = append(data, final|op, byte(n))
	case n <= 0xffff:
		data = binary.BigEndian.AppendUint16(append(data, final|op, 126), uint16(n))
	default:
		data = binary.BigEndian.AppendUint64(append(data, final|op, 127), uint64(n))
	}
	return append(data, payload...)
}

// closing is a closing frame: RFC 6455 section 5.5.1.
func closing(code int, reason string) []byte {
	return frame(opClose, append([]byte{byte(code >> 8), byte(code)}, reason...))
}

// pingFrame is the same for every window.
var pingFrame = frame(opPing, nil)

// incoming takes frames of the other side's apart. A page sends nothing but control frames, so that is all it keeps room
// for: a header of two octets, a mask of four, and a payload.
type incoming struct {
	data [2 + 4 + maxControl]byte
	n    int
}

// free is where the next octets go.
func (in *incoming) free() []byte { return in.data[in.n:] }

// next gives the first whole frame's opcode and payload and takes it out. It says no where more has to come first, and
// gives a closing code for what the other side must not send: RFC 6455 section 7.4.1.
func (in *incoming) next() (op byte, payload []byte, ok bool, wrong int) {
	if in.n < 2 {
		return 0, nil, false, 0
	}
	length := 6 + int(in.data[1]&0x7f)
	if wrong = in.wrong(); wrong != 0 || in.n < length {
		return 0, nil, false, wrong
	}
	op, payload = in.data[0]&0x0f, make([]byte, length-6)
	for i := range payload {
		payload[i] = in.data[6+i] ^ in.data[2+i%4]
	}
	in.n = copy(in.data[:], in.data[length:in.n])
	return op, payload, true, 0
}

// maxData tells what is only out of place here (1008) from what is too large as well (1009).
const maxData = 512

// wrong looks at a header.
func (in *incoming) wrong() int {
	op, length := in.data[0]&0x0f, in.data[1]&0x7f
	control := op == opClose || op == opPing || op == opPong
	switch {
	case in.data[0]&0x70 != 0, in.data[1]&0x80 == 0, op > 2 && !control: // no extension, no mask, no such opcode
		return closeProtocol
	case control && (in.data[0]&0x80 == 0 || length > maxControl):
		return closeProtocol
	case control || length == 126 && in.n < 4:
		return 0
	case length == 127 || length == 126 && binary.BigEndian.Uint16(in.data[2:]) > maxData:
		return CloseTooLarge
	}
	return CloseRevoked
}

// goodbye is the code to answer a closing frame with: its own, or what is wrong with it.
func goodbye(payload []byte) int {
	if len(payload) == 0 {
		return closeNormal
	}
	if len(payload) == 1 || !utf8.Valid(payload[2:]) {
		return closeProtocol
	}
	code := int(binary.BigEndian.Uint16(payload))
	if code < 1000 || code > 1014 && code < 3000 || code > 4999 || code >= 1004 && code <= 1006 { // RFC 6455 section 7.4.2
		return closeProtocol
	}
	return code
}
