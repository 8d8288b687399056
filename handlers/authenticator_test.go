package handlers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"
)

// authenticator is a device with one passkey, which answers as browsers have it answer (Web Authentication Level 3,
// sections 6.1 and 6.5), or not quite.
type authenticator struct {
	t       testing.TB
	key     *ecdsa.PrivateKey
	id      []byte
	handle  []byte
	counter uint32

	origin, site string // where the browser says it is
	flags        byte
	challenge    string // "" gives that which was asked
}

// Flags of an answer.
const (
	present  = 1
	verified = 4
	attested = 64
)

func newAuthenticator(t testing.TB, origin, site string) *authenticator {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return &authenticator{t: t, key: key, id: id, origin: origin, site: site, flags: present | verified}
}

var base64URL = base64.RawURLEncoding

// question is what is read of the server's options.
type question struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		RPID      string `json:"rpId"`
		RP        struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID string `json:"id"`
		} `json:"user"`
		UserVerification string           `json:"userVerification"`
		Allow            []map[string]any `json:"allowCredentials"`
		Exclude          []map[string]any `json:"excludeCredentials"`
	} `json:"publicKey"`
}

func (r *reply) question() (q question) {
	r.t.Helper()
	if err := json.Unmarshal(r.want(200).body, &q); err != nil || q.PublicKey.Challenge == "" {
		r.t.Fatalf("%s asks %s: %v", r.what, r.body, err)
	}
	return q
}

func (a *authenticator) clientData(kind string, q question) []byte {
	challenge := q.PublicKey.Challenge
	if a.challenge != "" {
		challenge = a.challenge
	}
	text, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.origin, "crossOrigin": false})
	return text
}

func (a *authenticator) data(flags byte) []byte {
	site := sha256.Sum256([]byte(a.site))
	return binary.BigEndian.AppendUint32(append(site[:], flags), a.counter)
}

// create answers the question for a new passkey.
func (a *authenticator) create(q question) string {
	a.t.Helper()
	a.handle, _ = base64URL.DecodeString(q.PublicKey.User.ID)
	data := append(a.data(a.flags|attested), make([]byte, 16)...)
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(a.id))), a.id...)
	point, err := a.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		a.t.Fatal(err)
	}
	data = append(data, 0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32)
	data = append(append(append(data, point[1:33]...), 0x22, 0x58, 32), point[33:]...)
	object := append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"), byte(len(data)))
	return a.answer(map[string]any{
		"clientDataJSON": base64URL.EncodeToString(a.clientData("webauthn.create", q)), "attestationObject": base64URL.EncodeToString(append(object, data...)),
		"transports": []string{"usb", "a-way-nobody-knows"},
	})
}

// get answers the question for the passkey.
func (a *authenticator) get(q question) string {
	a.t.Helper()
	client, data := a.clientData("webauthn.get", q), a.data(a.flags)
	hash := sha256.Sum256(client)
	signed := sha256.Sum256(append(data[:len(data):len(data)], hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, signed[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]any{
		"clientDataJSON": base64URL.EncodeToString(client), "authenticatorData": base64URL.EncodeToString(data),
		"signature": base64URL.EncodeToString(signature), "userHandle": base64URL.EncodeToString(a.handle),
	})
}

func (a *authenticator) answer(response map[string]any) string {
	id := base64URL.EncodeToString(a.id)
	text, _ := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}}})
	return string(text)
}
