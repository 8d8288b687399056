package fanout

import (
	"encoding/binary"
	"errors"
	"time"

	"parley/db/chat"
)

// An envelope is an event between two nodes: a version, the node that sends it, then the event's fields, numbers as
// varints and texts with their length before them. It is a third of the size of JSON. Nodes of two versions run side by
// side during a rolling restart, so a field that comes later is added at the end: a node that doesn't know it ignores
// it, and one that misses it reads zero.
const envelopeVersion = 1

// A sign of life and a goodbye begin with these instead of a version, and end with the node's name. A node of a version
// that doesn't know them takes them for envelopes of a later one, which it ignores.
const (
	signAlive   = 'a'
	signGoodbye = 'g'
)

const nodeLen = 8

// maxName bounds what is shown of another node's name.
const maxName = 100

// nodeID tells a node's own envelopes from others'. It is random, and another one after each start.
type nodeID [nodeLen]byte

var errEnvelope = errors.New("an envelope is damaged or of an unknown version")

func appendEnvelope(to []byte, node nodeID, e chat.Event) []byte {
	to = append(to, envelopeVersion)
	to = append(to, node[:]...)
	to = binary.AppendUvarint(to, e.To)
	to = appendText(to, string(e.Type))
	to = appendText(to, e.With)
	for _, n := range [...]uint64{e.ID.Conversation, e.ID.Seq, e.Rev, e.Seq} {
		to = binary.AppendUvarint(to, n)
	}
	return appendText(to, string(e.Session))
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// sentBy says whether an envelope is a node's own, without opening it.
func sentBy(envelope string, node nodeID) bool {
	return len(envelope) > nodeLen && envelope[1:1+nodeLen] == string(node[:])
}

func appendSign(to []byte, sign byte, node nodeID, name string) []byte {
	return append(append(append(to, sign), node[:]...), name...)
}

// openSign gives what is no sign of a node's as 0.
func openSign(envelope string) (sign byte, node nodeID, name string) {
	if len(envelope) <= nodeLen || envelope[0] != signAlive && envelope[0] != signGoodbye {
		return 0, node, ""
	}
	name = envelope[1+nodeLen:]
	return envelope[0], nodeID([]byte(envelope[1 : 1+nodeLen])), name[:min(len(name), maxName)]
}

// stamped adds when the envelope was sent, by its node's clock.
func stamped(envelope []byte, at time.Time) []byte {
	return binary.AppendUvarint(envelope, uint64(at.UnixMicro()))
}

func openEnvelope(envelope string) (chat.Event, error) {
	e, _, err := openStamped(envelope)
	return e, err
}

// openStamped also gives when an envelope was sent, the zero time where it doesn't say.
func openStamped(envelope string) (e chat.Event, sent time.Time, _ error) {
	if len(envelope) <= nodeLen || envelope[0] != envelopeVersion {
		return e, sent, errEnvelope
	}
	r := envelopeReader{rest: envelope[1+nodeLen:]}
	e.To = r.number()
	e.Type = chat.EventType(r.text())
	e.With = r.text()
	e.ID.Conversation, e.ID.Seq = r.number(), r.number()
	e.Rev, e.Seq = r.number(), r.number()
	if session := r.text(); session != "" {
		e.Session = []byte(session)
	}
	if micros := r.number(); micros != 0 {
		sent = time.UnixMicro(int64(micros))
	}
	if r.damaged {
		return chat.Event{}, time.Time{}, errEnvelope
	}
	return e, sent, nil
}

// envelopeReader reads fields in turn; behind the end they are all zero.
type envelopeReader struct {
	rest    string
	damaged bool
}

func (r *envelopeReader) number() (n uint64) {
	for i := 0; i < len(r.rest) && i < binary.MaxVarintLen64; i++ {
		b := r.rest[i]
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			r.rest = r.rest[i+1:]
			return n
		}
	}
	r.damaged = r.damaged || r.rest != ""
	r.rest = ""
	return 0
}

func (r *envelopeReader) text() string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.damaged, n = true, 0
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}
