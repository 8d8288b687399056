package chat_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"parley/db/chat"
)

// OWASP ASVS 5.0, 6.2.4: at least the top 3,000 that meet the rule for the length.
func TestCommonPasswordsAreAList(t *testing.T) {
	all := chat.CommonPasswords()
	if len(all) < 3000 || !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Fatalf("%d passwords, sorted %t", len(all), slices.IsSorted(all))
	}
	for _, p := range all {
		if n := utf8.RuneCountInString(p); n < 8 || n > 128 || chat.Canonical(p) != p {
			t.Errorf("%q can't be met", p)
		}
	}
	if packed := chat.PackedCommonPasswords(); packed > 60_000 {
		t.Errorf("they take %d octets of the program", packed)
	}
}

func TestGuessablePasswords(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	if _, err := w.EditPlace(t.Context(), root, chat.PlaceEdit{Name: text("Heron House")}); err != nil {
		t.Fatal(err)
	}
	n := chat.NewUser{Username: "alice.archer", DisplayName: "Ally  McBeal", Email: "archer+chat@mail.example.org"}
	for given, good := range map[string]bool{
		"password": false, "PassWord": false, "ｐａｓｓｗｏｒｄ": false, "iloveyou": false, "qwertyuiop": false, "P@ssw0rd": false, "12345678": false,
		"password ": true, "heron password": true, "a b c d e f g h": true, // no rule but those for length and guesses

		"alice.archer": false, "ALICEARCHER": false, "alice-archer!!": false, "1alice.archer99": false,
		"Ally McBeal": false, "allymcbeal2026": false,
		"archer+chat": false, "archerchat1": false, "archer+chat@mail.example.org": false,
		"Heron House": false, "heronhouse!": false, "Parley2026": false, "parley..": false,
		"alice archer's heron": true, "alice.archer 73104688": true, "arche 1906": true,
	} {
		n.Password = given
		if err := w.CheckNewUser(t.Context(), n); (err == nil) != good {
			t.Errorf("%q: %v", given, err)
		}
	}
}

// An admin who gives somebody a password is held to the same, also as to names that come with it.
func TestGuessablePasswordFromAnAdmin(t *testing.T) {
	w := newWorld(t)
	root := w.adminOf(t, "root")
	w.personNamed(t, "montgomery", "Monty Burns")
	for _, e := range []chat.UserEdit{
		{Password: "sunshine"}, {Password: "montgomery"}, {Password: "MontyBurns1"},
		{DisplayName: text("Waylon Smithers"), Password: "waylonsmithers"}, {Email: text("smithers@example.org"), Password: "smithers!"},
	} {
		_, err := w.EditUser(t.Context(), root, "montgomery", e)
		wantKind(t, err, chat.Invalid, "password")
	}
	_, err := w.EditUser(t.Context(), root, "nobody", chat.UserEdit{Password: "montgomery"})
	wantKind(t, err, chat.NotFound)
	if _, err := w.EditUser(t.Context(), root, "montgomery", chat.UserEdit{Password: "release the hounds"}); err != nil {
		t.Error(err)
	}
}

// The same characters are the same password, however a keyboard writes them; case and spaces aren't touched.
func TestPasswordFromAnotherKeyboard(t *testing.T) {
	const typed = "Ünïcödé ﬁsh ² ｆｕｌｌ"
	hash := chat.HashPassword(typed)
	for _, same := range []string{typed, norm.NFD.String(typed), norm.NFC.String(typed), norm.NFKD.String(typed)} {
		if !chat.PasswordMatches(hash, same) {
			t.Errorf("%+q doesn't pass", same)
		}
	}
	for _, other := range []string{strings.ToLower(typed), typed + " ", " " + typed, strings.ReplaceAll(typed, " ", "")} {
		if chat.PasswordMatches(hash, other) {
			t.Errorf("%+q passes", other)
		}
	}
}

// The end of a long password counts: nothing is cut.
func TestLongPasswordsCountToTheEnd(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("🙂", 127)
	if _, err := w.CreateUser(t.Context(), chat.NewUser{Username: "alice", Password: long + "a"}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Authenticate(t.Context(), "alice", long+"b")
	wantKind(t, err, chat.Denied)
	if _, err := w.Authenticate(t.Context(), "alice", long+"a"); err != nil {
		t.Error(err)
	}
	// Characters that grow eighteenfold are counted as what they become, and far too many cost no more than a few.
	_, err = w.CreateUser(t.Context(), chat.NewUser{Username: "bob", Password: strings.Repeat("\ufdfa", 100)})
	wantKind(t, err, chat.Invalid, "password")
	_, err = w.CreateUser(t.Context(), chat.NewUser{Username: "bob", Password: strings.Repeat("\ufdfa", 60_000)})
	wantKind(t, err, chat.Invalid, "password")
}
