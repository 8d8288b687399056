package chat

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"strings"

	"parley/queries"
)

// Ten codes of 120 random bits each. OWASP ASVS 5.0, 6.5.2: from 112 bits on, a plain hash is enough.
const (
	recoveryCodes      = 10
	recoveryCodeOctets = 15
	recoveryCodeGroup  = 4 // characters between two hyphens
)

// codeAlphabet is base32 in small letters. It has no 0, 1 and 8, which are therefore read as o, l and b.
var codeAlphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newRecoveryCodes makes codes as people see them, such as abcd-efgh-ijkl-mnop-qrst-uvwx.
func newRecoveryCodes() []string {
	codes := make([]string, recoveryCodes)
	for i := range codes {
		secret := make([]byte, recoveryCodeOctets)
		_, _ = rand.Read(secret) // never fails since Go 1.24
		text := codeAlphabet.EncodeToString(secret)
		var groups []string
		for ; len(text) > 0; text = text[recoveryCodeGroup:] {
			groups = append(groups, text[:recoveryCodeGroup])
		}
		codes[i] = strings.Join(groups, "-")
	}
	return codes
}

// plainCode is what was typed without what is only there to be read.
func plainCode(typed string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u00a0' {
			return -1
		}
		return r
	}, strings.ToLower(strings.TrimSpace(typed)))
}

func recoveryHash(plain string) []byte {
	return tokenHash(strings.NewReplacer("0", "o", "1", "l", "8", "b").Replace(plain))
}

// isRecoveryCode tells a recovery code from an app's six digits by its length.
func isRecoveryCode(plain string) bool {
	return len(plain) == codeAlphabet.EncodedLen(recoveryCodeOctets)
}

// useRecoveryCode takes a code, once.
func useRecoveryCode(ctx context.Context, q *queries.Queries, user uint64, plain string) (right bool, _ error) {
	n, err := q.DeleteRecoveryCode(ctx, queries.DeleteRecoveryCodeParams{UserID: user, CodeHash: recoveryHash(plain)})
	return n == 1, err
}

// RenewRecoveryCodes makes ten codes, which are never given again; those from before are worth nothing any more. An
// Invalid error names the field password.
func (s *Store) RenewRecoveryCodes(ctx context.Context, actor Actor, password string) ([]string, error) {
	codes := newRecoveryCodes()
	err := s.asConfirmedSelf(ctx, actor, password, func(ctx context.Context, t ownTx) error {
		if has, err := hasFactor(ctx, t.q, t.row.ID); err != nil {
			return err
		} else if !has {
			return &Error{Kind: Invalid, Text: "Recovery codes stand in for a second factor, and you have none. Set one up first."}
		}
		if err := t.putCodes(ctx, codes); err != nil {
			return err
		}
		return t.announce(ctx, MailCodesRenewed, AuditRenewCodes, "")
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

func (t ownTx) putCodes(ctx context.Context, codes []string) error {
	if _, err := t.q.DeleteRecoveryCodes(ctx, t.row.ID); err != nil {
		return err
	}
	for _, code := range codes {
		err := t.q.CreateRecoveryCode(ctx, queries.CreateRecoveryCodeParams{UserID: t.row.ID, CodeHash: recoveryHash(plainCode(code)), CreatedAt: t.at})
		if err != nil {
			return err
		}
	}
	return nil
}

// firstCodes stores the codes for somebody who has none, and gives them; to others it gives nothing.
func (t ownTx) firstCodes(ctx context.Context, codes []string) ([]string, error) {
	n, err := t.q.CountFactors(ctx, queries.CountFactorsParams{UserID: t.row.ID})
	if err != nil || n.RecoveryCodes > 0 {
		return nil, err
	}
	return codes, t.putCodes(ctx, codes)
}
