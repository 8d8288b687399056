// Package passkey asks passkeys and checks what they answer (Web Authentication Level 3). It stores nothing: what was asked
// is handed out as a state, which the caller keeps until the answer comes, and takes away with it.
package passkey

import (
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"parley/db/chat"
)

// Site is an address that passkeys are made for, and used at. A passkey for one is worth nothing at any other, which is
// what makes it safe against copies of the site.
type Site struct{ party *webauthn.WebAuthn }

// answerFor is how long a person has for PIN, finger or phone. The state's own time is what counts on the server.
const answerFor = 5 * time.Minute

// At gives the site with this public address; without one it is that of the request, named by its Host header, which
// browsers only take for localhost. Passkeys need a name and https: false says that there are none at this address.
func At(base *url.URL, host, name string) (*Site, bool) {
	if base == nil {
		base = &url.URL{Scheme: "http", Host: host}
		if !isLocal(base) {
			return nil, false
		}
	}
	if !isLocal(base) && (base.Scheme != "https" || net.ParseIP(base.Hostname()) != nil) {
		return nil, false
	}
	timeout := webauthn.TimeoutConfig{Timeout: answerFor, TimeoutUVD: answerFor}
	party, err := webauthn.New(&webauthn.Config{
		RPID: base.Hostname(), RPDisplayName: name, RPOrigins: []string{base.Scheme + "://" + base.Host},
		AttestationPreference: protocol.PreferNoAttestation, // whose make the device is doesn't matter here
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
		// Some password managers answer more than they were asked, which is then not looked at.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	return &Site{party}, err == nil
}

func isLocal(u *url.URL) bool {
	return u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost")
}

// owner is a person as the library wants to see them.
type owner struct {
	user     chat.User
	handle   []byte
	passkeys []chat.Passkey
}

func (o owner) WebAuthnID() []byte          { return o.handle }
func (o owner) WebAuthnName() string        { return o.user.Username }
func (o owner) WebAuthnDisplayName() string { return o.user.DisplayName }

func (o owner) WebAuthnCredentials() []webauthn.Credential {
	all := make([]webauthn.Credential, len(o.passkeys))
	for i, p := range o.passkeys {
		all[i] = webauthn.Credential{
			ID: p.Credential, PublicKey: p.PublicKey, Authenticator: webauthn.Authenticator{SignCount: p.SignCount},
			Flags: webauthn.CredentialFlags{BackupEligible: p.BackupEligible},
		}
		for _, t := range p.Transports {
			all[i].Transport = append(all[i].Transport, protocol.AuthenticatorTransport(t))
		}
	}
	return all
}

func (o owner) descriptors() []protocol.CredentialDescriptor {
	return webauthn.Credentials(o.WebAuthnCredentials()).CredentialDescriptors()
}

// AskNew asks for a new passkey; those that the user has are not made twice. The handle is what theirs call them, or a
// new one where they have none.
func (s *Site) AskNew(user chat.User, handle []byte, have []chat.Passkey) (options any, state []byte, err error) {
	o := owner{user, handle, have}
	creation, session, err := s.party.BeginRegistration(o, webauthn.WithExclusions(o.descriptors()))
	return asked(creation, session, err)
}

func asked(options any, session *webauthn.SessionData, err error) (any, []byte, error) {
	if err != nil {
		return nil, nil, err
	}
	state, err := json.Marshal(session)
	return options, state, err
}

// New checks the first answer of a new passkey, and gives what is to be known of it.
func (s *Site) New(user chat.User, state, answer []byte) (chat.Passkey, error) {
	session, err := sessionIn(state)
	if err != nil {
		return chat.Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return chat.Passkey{}, err
	}
	made, err := s.party.CreateCredential(owner{user: user, handle: session.UserID}, session, parsed)
	if err != nil {
		return chat.Passkey{}, err
	}
	p := chat.Passkey{
		Credential: made.ID, PublicKey: made.PublicKey, Handle: session.UserID,
		SignCount: made.Authenticator.SignCount, BackupEligible: made.Flags.BackupEligible,
	}
	for _, t := range made.Transport {
		if known[t] {
			p.Transports = append(p.Transports, string(t))
		}
	}
	return p, nil
}

// known are the ways to reach a passkey that are kept as hints for the browser; what else is said isn't.
var known = map[protocol.AuthenticatorTransport]bool{
	protocol.USB: true, protocol.NFC: true, protocol.BLE: true, protocol.SmartCard: true, protocol.Hybrid: true, protocol.Internal: true,
}

func sessionIn(state []byte) (session webauthn.SessionData, err error) {
	return session, json.Unmarshal(state, &session)
}

// Ask asks one of somebody's passkeys. It need not make sure of who holds it: they have given their password.
func (s *Site) Ask(user chat.User, have []chat.Passkey) (options any, state []byte, err error) {
	if len(have) == 0 {
		return nil, nil, errors.New("there is no passkey to ask")
	}
	assertion, session, err := s.party.BeginLogin(owner{user, have[0].Handle, have})
	return asked(assertion, session, err)
}

// AskAnybody asks whichever passkey the person chooses, and that it make sure of who holds it.
func (s *Site) AskAnybody() (options any, state []byte, err error) {
	assertion, session, err := s.party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	return asked(assertion, session, err)
}

// Answer is an assertion that hasn't been checked.
type Answer struct {
	parsed *protocol.ParsedCredentialAssertionData
}

// Read reads an answer.
func Read(text []byte) (Answer, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(text)
	return Answer{parsed}, err
}

// Credential is what the passkey that answers calls itself.
func (a Answer) Credential() []byte { return a.parsed.RawID }

// Check holds an answer against what was asked: challenge, site, signature, and that somebody was there. have are all
// of the person's passkeys, p among them. Whether the counter has risen is left to the caller, who can hold the row.
func (s *Site) Check(state []byte, a Answer, p chat.Passkey, have []chat.Passkey) (chat.PasskeyUse, error) {
	session, err := sessionIn(state)
	if err != nil {
		return chat.PasskeyUse{}, err
	}
	o := owner{handle: p.Handle, passkeys: have}
	if len(session.UserID) > 0 {
		_, err = s.party.ValidateLogin(o, session, a.parsed)
	} else {
		_, err = s.party.ValidateDiscoverableLogin(func(_, _ []byte) (webauthn.User, error) { return o, nil }, session, a.parsed)
	}
	data := a.parsed.Response.AuthenticatorData
	return chat.PasskeyUse{Passkey: p, SignCount: data.Counter, Verified: data.Flags.HasUserVerified()}, err
}
