package chat_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"parley/db/chat"
)

const password = "correct horse battery"

func TestUsernameRules(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ given, stored string }{
		{"alice", "alice"},
		{"  Bob\t\n", "Bob"},
		{"o'brien", ""},
		{"x", "x"},
		{"7of9", "7of9"},
		{"anna.lena_o-k+1@example", "anna.lena_o-k+1@example"},
		{"", ""},
		{" \t ", ""},
		{".", ""},
		{"..", ""},
		{"_x", ""},
		{"-x", ""},
		{"@x", ""},
		{"a b", ""},
		{"a/b", ""},
		{"a\\b", ""},
		{"a?b", ""},
		{"a#b", ""},
		{"a%b", ""},
		{"a\x00b", ""},
		{"a\nb", ""},
		{"a\xffb", ""},
		{"a\uFFFDb", ""},
		{"<b>", ""},
		{strings.Repeat("n", 64), strings.Repeat("n", 64)},
		{strings.Repeat("n", 65), ""},
		{strings.Repeat("𝒳", 64), strings.Repeat("X", 64)}, // the mathematical letter is a compatibility form
		{strings.Repeat("ﬃ", 22), ""},                      // 22 ligatures are 66 letters
		{strings.Repeat("𐐷", 64), strings.Repeat("𐐷", 64)}, // four octets each
		{strings.Repeat("é", 64), strings.Repeat("é", 64)}, // two characters each until they are composed
		{"zażółć", "zażółć"},                               // a decomposed name is stored composed
		{"ｊｏｅ", "joe"},                                     // full-width letters
		{"山田太郎", "山田太郎"},                                   //
		{"مريم", "مريم"},                                   // right to left is a script, not a trick
		{"שרה", "שרה"},                                     //
		{"हिन्दी", "हिन्दी"},                               // with vowel signs and a virama
		{"٣abc", ""},            // a digit of another script
		{"🙂", ""},               // emoji are no letters
		{"ok🙂", ""},             //
		{"❤\uFE0F", ""},         //
		{"#\uFE0F\u20E3", ""},   //
		{"\u0301x", ""},         // begins with a combining mark
		{"a\u200Bb", ""},        // zero-width space
		{"a\u200Db", ""},        // zero-width joiner
		{"a\u200Cb", ""},        // zero-width non-joiner
		{"a\uFEFFb", ""},        // byte order mark
		{"a\u2060b", ""},        // word joiner
		{"a\u00ADb", ""},        // soft hyphen
		{"a\u202Eb", ""},        // right-to-left override
		{"a\u2067b", ""},        // right-to-left isolate
		{"a\u200Fb", ""},        // right-to-left mark
		{"a\u061Cb", ""},        // Arabic letter mark
		{"alice\uFE0F", ""},     // variation selector: looks like alice
		{"alice\u034F", ""},     // combining grapheme joiner: looks like alice
		{"alice\u180B", ""},     // Mongolian variation selector: looks like alice
		{"alice\U000E0100", ""}, // ideographic variation selector: looks like alice
		{"\u3164", ""},          // Hangul filler, a letter of nothing
		{"a\u115Fb", ""},        // Hangul choseong filler
		{"a\uFFA0b", ""},        // half-width Hangul filler
		{"a\u17B4b", ""},        // an invisible Khmer vowel
		{"a\u00A0b", ""},        // no-break space
		{"a\u3000b", ""},        // ideographic space
		{strings.Repeat("\u1F80", 51), strings.Repeat("\u1F80", 51)}, // folding makes five octets of each: 255 of 256
		{strings.Repeat("\u1F80", 52), ""},                           // 52 characters, but more than the key holds
	} {
		_, err := w.CreateUser(t.Context(), chat.NewUser{Username: c.given, Password: "short"})
		named := fieldsOf(err)
		if taken := !slices.Contains(named, "username"); taken != (c.stored != "") {
			t.Errorf("%+q: %v", c.given, err)
		}
		if c.stored == "" || !slices.Contains(named, "password") {
			continue
		}
		w.personNamed(t, c.stored, c.stored)
		if user, err := w.UserByName(t.Context(), c.given); strings.TrimSpace(c.given) == c.given && (err != nil || user.Username != c.stored) {
			t.Errorf("%+q is found as %+q: %v", c.given, user.Username, err)
		}
	}
}

// The fields that are wrong are named all at once.
func TestCreateUserNamesEveryWrongField(t *testing.T) {
	w := newWorld(t)
	_, err := w.CreateUser(t.Context(), chat.NewUser{Username: " ", DisplayName: "\u202Eeve", Email: "eve", Password: "1234567"})
	wantKind(t, err, chat.Invalid, "display_name", "email", "password", "username")
	if any, err := w.AnyUser(t.Context()); any || err != nil {
		t.Errorf("there is somebody: %v", err)
	}
}

func TestCreateUserGivesWhatIsStored(t *testing.T) {
	w := newWorld(t)
	for _, n := range []chat.NewUser{
		{Username: "Zoë", DisplayName: "  Zoë   Ångström\u2028🙂 ", Email: " Zoe@Example.org ", Password: password, IsAdmin: true},
		{Username: "plain", Password: password},
	} {
		made, err := w.CreateUser(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := w.UserByName(t.Context(), strings.ToUpper(n.Username)); err != nil || found != made {
			t.Errorf("made\n%+v, found\n%+v: %v", made, found, err)
		}
	}
	zoe, _ := w.UserByName(t.Context(), "zoë")
	if zoe.Username != "Zoë" || zoe.DisplayName != "Zoë Ångström 🙂" || zoe.Email != "Zoe@Example.org" || !zoe.IsAdmin || zoe.Disabled() || !zoe.LastSeenAt.IsZero() {
		t.Errorf("%+v", zoe)
	}
	if plain, _ := w.UserByName(t.Context(), "plain"); plain.DisplayName != "plain" || plain.Email != "" || plain.IsAdmin {
		t.Errorf("%+v", plain)
	}
	if any, err := w.AnyUser(t.Context()); !any || err != nil {
		t.Errorf("there is nobody: %v", err)
	}
}

func TestUsernamesThatAreTheSame(t *testing.T) {
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"alice", "ALICE", true},
		{"alice", "Alice", true},
		{"a", "á", false},
		{"a", "a ", false},
		{"a", " a", false},
		{"á", "a\u0301", true}, // composed and decomposed
		{"Á", "a\u0301", true},
		{"straße", "STRASSE", true},
		{"straße", "straẞe", true},
		{"straße", "strase", false},
		{"ſam", "Sam", true},                // long s
		{"\u212Aelvin", "kelvin", true},     // Kelvin sign
		{"\u212Bngström", "ångström", true}, // Ångström sign
		{"ı", "i", false},                   // dotless i
		{"ı", "I", false},
		{"I", "i", true},
		{"İ", "i", false}, // I with a dot folds to an i with a combining dot
		{"İ", "i\u0307", true},
		{"İ", "I\u0307", true},
		{"ΣΟΦΟΣ", "σοφος", true}, // final sigma
		{"σοφος", "σοφοσ", true},
		{"ᎠᎡ", "ꭰꭱ", true}, // Cherokee
		{"Ᏸ", "ᏸ", true},
		{"ﬁn", "fin", true},
		{"ｊｏｅ", "JOE", true},
		{"x²", "x2", true},
		{"ǆ", "ǅ", true},
		{"\u1F80", "\u1F88", true}, // ᾀ and ᾈ
		{"ㅎ", "ᄒ", true},           // compatibility jamo
		{"а", "a", false},          // Cyrillic and Latin
		{"0", "o", false},
		{"alice", "alice.", false},
		{"ٱ", "ا", false},
		{"山", "⼭", true}, // Kangxi radical
	} {
		if got := string(chat.UsernameKey(c.one)) == string(chat.UsernameKey(c.other)); got != c.same {
			t.Errorf("%+q and %+q are the same: %t, want %t", c.one, c.other, got, c.same)
		}
	}
}

// The key's form must be one that stays as it is when it is made again: the directory's cursor goes through it twice.
func TestCanonicalIsStable(t *testing.T) {
	for r := rune(1); r <= 0x1FFFF; r++ {
		alone := string(r)
		if chat.Canonical(alone) == alone && !unicode.IsMark(r) {
			continue
		}
		for _, text := range []string{alone, alone + "\u0307", alone + "\u0345\u0301", "a" + alone} {
			once := chat.Canonical(text)
			if twice := chat.Canonical(once); twice != once {
				t.Errorf("%+q gives %+q and that %+q", text, once, twice)
			}
		}
	}
}

// A collation would call these equal; each of them is somebody of their own.
func TestPeopleThatACollationCallsEqual(t *testing.T) {
	w := newWorld(t)
	names := []string{"a", "á", "ä", "å", "aa", "strase", "ı", "i", "山", "川"}
	w.people(t, names...)
	for _, name := range names {
		if user, err := w.UserByName(t.Context(), name); err != nil || user.Username != name {
			t.Errorf("%q is %q: %v", name, user.Username, err)
		}
	}
	for _, name := range []string{"a ", " a", "â", "a\x00", "", "%", "_", strings.Repeat("a", 5000), "\xff"} {
		_, err := w.UserByName(t.Context(), name)
		wantKind(t, err, chat.NotFound)
	}
}

func TestTakenNames(t *testing.T) {
	w := newWorld(t)
	if _, err := w.CreateUser(t.Context(), chat.NewUser{Username: "Straße", Email: "One@Example.org", Password: password}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ username, email, field string }{
		{"STRASSE", "", "username"},
		{" strasse\n", "other@example.org", "username"},
		{"other", "one@EXAMPLE.ORG", "email"},
		{"strasse", "one@example.org", "username"},
	} {
		_, err := w.CreateUser(t.Context(), chat.NewUser{Username: c.username, Email: c.email, Password: password})
		wantKind(t, err, chat.Invalid, c.field)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM users"); n != 1 {
		t.Errorf("there are %d accounts", n)
	}
}

func TestTheSameNameAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	for field, form := range map[string]chat.NewUser{
		"username": {Username: "Kim%s", Email: "%d@example.org"},
		"email":    {Username: "u%d", Email: "Same%s@example.org"},
	} {
		cases := []string{"x", "X"}
		errs := make([]error, 8)
		together(len(errs), func(i int) {
			n := chat.NewUser{Password: password}
			fill := strings.NewReplacer("%s", cases[i%2], "%d", fmt.Sprint(i))
			n.Username, n.Email = fill.Replace(form.Username), fill.Replace(form.Email)
			_, errs[i] = w.CreateUser(context.Background(), n)
		})
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
				continue
			}
			wantKind(t, err, chat.Invalid, field)
		}
		if made != 1 {
			t.Errorf("the same %s was taken %d times", field, made)
		}
	}
}

func TestDisplayNameRules(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct{ given, stored string }{
		{"Alice", "Alice"},
		{"", "n%d"},
		{" \t\u00A0\u3000\n ", "n%d"},
		{"  Alice \t  B.\n", "Alice B."},
		{"e\u0301", "é"},
		{"ﬁ", "ﬁ"}, // kept as written: only keys are compatibility forms
		{"🙂👩‍👩‍👧 ❤\uFE0F", "🙂👩‍👩‍👧 ❤\uFE0F"},
		{"شیرین\u200Cبانو", "شیرین\u200Cبانو"}, // Persian needs the non-joiner
		{"שרה", "שרה"},
		{strings.Repeat("é", 64), strings.Repeat("é", 64)},
		{strings.Repeat("e\u0301", 64), strings.Repeat("é", 64)},
		{strings.Repeat("🙂", 64), strings.Repeat("🙂", 64)},
		{strings.Repeat("\uFDFA", 64), strings.Repeat("\uFDFA", 64)}, // one character that searches as eighteen
		{strings.Repeat("n", 65), ""},
		{"Ali\u202Ece", ""},
		{"Ali\u2066ce", ""},
		{"Ali\u200Fce", ""},
		{"Ali\x00ce", ""},
		{"Ali\x1bce", ""},
		{"Ali\u0080ce", ""},
		{"Ali\xffce", ""},
		{"\u200B", ""},
		{"\u200B \u2060", ""},
		{"\u3164", ""},
		{"\uFE0F", ""},
		{"\u00AD\u034F", ""},
	} {
		username := fmt.Sprint("n", i)
		made, err := w.CreateUser(t.Context(), chat.NewUser{Username: username, DisplayName: c.given, Password: password})
		if c.stored == "" {
			wantKind(t, err, chat.Invalid, "display_name")
			continue
		}
		if want := strings.ReplaceAll(c.stored, "n%d", username); err != nil || made.DisplayName != want {
			t.Errorf("%+q is stored as %+q, want %+q: %v", c.given, made.DisplayName, want, err)
		}
	}
}

func TestEmailRules(t *testing.T) {
	w := newWorld(t)
	local := strings.Repeat("l", 60)
	for i, c := range []struct{ given, stored string }{
		{"", ""},
		{"  ", ""},
		{"a@example.org", "a@example.org"},
		{" B@Example.Org\n", "B@Example.Org"},
		{"åsa@exämple.org", "åsa@exämple.org"},
		{"a+b@localhost", "a+b@localhost"},
		{local + "@" + strings.Repeat("d", 193), local + "@" + strings.Repeat("d", 193)},
		{local + "@" + strings.Repeat("d", 194), "-"},
		{strings.Repeat("\uFDFA", 80) + "@example.org", "-"}, // its key would be longer than the column
		{"example.org", "-"},
		{"@example.org", "-"},
		{"a@", "-"},
		{"a b@example.org", "-"},
		{"a@b@example.org", "-"},
		{"Alice <alice@example.org>", "-"},
		{"<alice@example.org>", "-"},
		{"a@example.org, b@example.org", "-"},
		{"a@example.org\r\nBcc: b@example.org", "-"},
		{"a@exam\x00ple.org", "-"},
		{"a@\xff.org", "-"},
	} {
		made, err := w.CreateUser(t.Context(), chat.NewUser{Username: fmt.Sprint("n", i), Email: c.given, Password: password})
		if c.stored == "-" {
			wantKind(t, err, chat.Invalid, "email")
		} else if err != nil || made.Email != c.stored {
			t.Errorf("%+q is stored as %+q, want %+q: %v", c.given, made.Email, c.stored, err)
		}
	}
}

func TestPasswordRules(t *testing.T) {
	w := newWorld(t)
	for given, good := range map[string]bool{
		"":                       false,
		"1234567":                false,
		"12345678":               false, // of the commonest
		"73 10 46":               true,
		"        ":               true, // spaces are characters, and nothing is trimmed
		"äöüßéçñ":                false,
		"äöüßéçñå":               true, // eight characters
		"🙂🙂🙂🙂":                   false,
		strings.Repeat("🙂", 128): true,
		strings.Repeat("🙂", 129): false,
		strings.Repeat("p", 128): true,
		strings.Repeat("p", 129): false,
	} {
		_, err := w.CreateUser(t.Context(), chat.NewUser{Username: "-", Password: given})
		if taken := !slices.Contains(fieldsOf(err), "password"); taken != good {
			t.Errorf("a password of %d octets: %v", len(given), err)
		}
	}
}

// phc is the PHC string format of Argon2id with the parameters that OWASP's cheat sheet asks for.
var phc = regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)

func TestPasswordHash(t *testing.T) {
	one, other := chat.HashPassword(password), chat.HashPassword(password)
	if !phc.MatchString(one) || one == other {
		t.Errorf("hashes %q and %q", one, other)
	}
	if !phc.MatchString(chat.NoSuchUserHash) {
		t.Errorf("where nobody is found, %q takes another time", chat.NoSuchUserHash)
	}
	for _, wrong := range []string{"", "correct horse batter", "correct horse battery ", "Correct horse battery", password + "\x00"} {
		if chat.PasswordMatches(one, wrong) {
			t.Errorf("%q passes", wrong)
		}
	}
	if !chat.PasswordMatches(one, password) || !chat.PasswordMatches(other, password) {
		t.Error("the password doesn't pass")
	}
	// From the tests of the reference implementation.
	if !chat.PasswordMatches("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password") {
		t.Error("the reference implementation's hash doesn't pass")
	}
}

// What a damaged row holds lets nobody in, and doesn't bring the program down.
func TestDamagedPasswordHashMatchesNothing(t *testing.T) {
	salt, key := strings.Repeat("A", 22), strings.Repeat("A", 43)
	for _, hash := range []string{
		"", "none", "$", "$$$$$", "$argon2id$v=19$m=19456,t=2,p=1$" + salt,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$",
		"$argon2id$v=19$m=19456,t=0,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=0$" + salt + "$" + key,
		"$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + key,
		"$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$!!!",
		"$2a$10$" + key,
	} {
		for _, given := range []string{"", password, hash} {
			if chat.PasswordMatches(hash, given) {
				t.Errorf("the hash %q lets %q in", hash, given)
			}
		}
	}
}

func TestAuthenticate(t *testing.T) {
	w := newWorld(t)
	made, err := w.CreateUser(t.Context(), chat.NewUser{Username: "Änne", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	off, err := w.CreateUser(t.Context(), chat.NewUser{Username: "off", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	w.disable(t, off)
	for _, name := range []string{"Änne", "änne", "ÄNNE", "A\u0308nne"} {
		if user, err := w.Authenticate(t.Context(), name, password); err != nil || user != made {
			t.Errorf("%q: %v", name, err)
		}
	}
	var texts []string
	for _, c := range [][2]string{
		{"änne", "wrong horse"}, {"änne", ""}, {"änne", password + " "}, {"nobody", password}, {"nobody", ""}, {"", password},
		{"off", password}, {"off", "wrong horse"}, {"anne", password}, {"änne ", password},
	} {
		user, err := w.Authenticate(t.Context(), c[0], c[1])
		wantKind(t, err, chat.Denied)
		if user != (chat.User{}) {
			t.Errorf("%q gives %+v", c, user)
		}
		texts = append(texts, fmt.Sprintf("%#v", err.(*chat.Error)))
	}
	if texts = slices.Compact(slices.Sorted(slices.Values(texts))); len(texts) != 1 {
		t.Errorf("what went wrong can be told apart: %q", texts)
	}
}

// Whoever is refused has waited for one hash, whatever the reason.
func TestEveryRefusalCostsAHash(t *testing.T) {
	w := newWorld(t)
	w.disable(t, w.people(t, "off")[0])
	release := w.HoldHashingSlots(patience)
	defer release()
	for _, name := range []string{"nobody", "off"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := w.Authenticate(ctx, name, password)
		cancel()
		wantKind(t, err, chat.Unavailable)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := w.CreateUser(ctx, chat.NewUser{Username: "new", Password: password})
	wantKind(t, err, chat.Unavailable)
}

func usernames(users []chat.User) (names []string) {
	for _, u := range users {
		names = append(names, u.Username)
	}
	return names
}

func TestDirectoryOrderAndWhoIsIn(t *testing.T) {
	w := newWorld(t)
	viewer := w.people(t, "me", "Zoe", "adam", "Bert", "ärger", "álvaro", "Österreich", "10", "9", "山田", "gone")[0]
	gone, _ := w.UserByName(t.Context(), "gone")
	w.disable(t, gone)
	page, err := w.Users(t.Context(), viewer, chat.UserQuery{})
	want := []string{"10", "9", "adam", "Bert", "Zoe", "álvaro", "ärger", "Österreich", "山田"}
	if got := usernames(page.Items); err != nil || !slices.Equal(got, want) || page.Next != "" {
		t.Errorf("the directory is %q, next %q: %v", got, page.Next, err)
	}
}

func TestDirectorySearch(t *testing.T) {
	w := newWorld(t)
	viewer := w.people(t, "me")[0]
	for username, displayName := range map[string]string{
		"ada": "Ada Lovelace", "grace": "Grace Hopper", "hop": "Anna Hop", "percent": "100% sure", "under": "snake_case",
		"back": `C:\temp`, "strasse": "Große Straße", "joe": "Ｊｏｅ", "emoji": "🙂 smile", "other": "🙁 frown", "quote": "O'Hara \"x\"",
	} {
		w.personNamed(t, username, displayName)
	}
	for search, want := range map[string][]string{
		"ADA":            {"ada"},
		"love":           {"ada"},
		"ada lace":       {"ada"},
		"lovelace ada":   nil, // words stand in their order
		"  grace   HOP ": {"grace"},
		"hop":            {"grace", "hop"},
		"hopp":           {"grace"},
		"%":              {"percent"},
		"0%":             {"percent"},
		"%%":             nil,
		"_":              {"under"},
		"e_c":            {"under"},
		`\`:              {"back"},
		`:\t`:            {"back"},
		`\\`:             nil,
		`\%`:             nil,
		"GROSSE STRASSE": {"strasse"},
		"große":          {"strasse"},
		"joe":            {"joe"},
		"ＪＯ":             {"joe"},
		"🙂":              {"emoji"},
		"🙁":              {"other"},
		"'":              {"quote"},
		`"x"`:            {"quote"},
		"me":             nil,
		"nobody":         nil,
		"a\x00":          nil,
	} {
		page, err := w.Users(t.Context(), viewer, chat.UserQuery{Search: search})
		if got := usernames(page.Items); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q finds %q, want %q: %v", search, got, want, err)
		}
	}
}

// walk reads the whole directory, page by page, and calls between before each page but the first.
func walk(t *testing.T, w *world, viewer chat.User, q chat.UserQuery, between func(page int)) (seen []string) {
	t.Helper()
	for page := 0; ; page++ {
		found, err := w.Users(t.Context(), viewer, q)
		if err != nil || len(found.Items) > q.Limit || len(found.Items) == 0 {
			t.Fatalf("a page of %d after %q: %v", len(found.Items), q.After, err)
		}
		seen = append(seen, usernames(found.Items)...)
		if q.After = found.Next; q.After == "" {
			return seen
		}
		between(page)
	}
}

func TestDirectoryPagesShowEverybodyOnce(t *testing.T) {
	w := newWorld(t)
	viewer := w.people(t, "p100viewer")[0]
	var want []string
	for i := range 250 {
		want = append(want, w.people(t, fmt.Sprintf("P%03d", i))[0].Username)
	}
	for _, limit := range []int{1, 7, 50, 100} {
		if seen := walk(t, w, viewer, chat.UserQuery{Limit: limit}, func(int) {}); !slices.Equal(seen, want) {
			t.Errorf("in pages of %d there are %d people: %q", limit, len(seen), seen)
		}
	}
	seen := walk(t, w, viewer, chat.UserQuery{Limit: 10}, func(page int) {
		w.people(t, fmt.Sprintf("P%03da", page*5), fmt.Sprintf("P%03db", page*10+9), fmt.Sprintf("a%d", page))
	})
	old := slices.DeleteFunc(slices.Clone(seen), func(name string) bool { return !slices.Contains(want, name) })
	if !slices.Equal(old, want) || len(slices.Compact(slices.Clone(seen))) != len(seen) || !slices.IsSorted(seen) {
		t.Errorf("while people were added, a reader saw %q", seen)
	}
}

func TestDirectoryLimitsAndCursors(t *testing.T) {
	w := newWorld(t)
	viewer := w.people(t, "me")[0]
	for i := range chat.MaxLimit + 5 {
		w.people(t, fmt.Sprintf("p%03d", i))
	}
	for limit, want := range map[int]int{-1: 30, 0: 30, 1: 1, 100: 100, 101: 100, 1 << 40: 100} {
		page, err := w.Users(t.Context(), viewer, chat.UserQuery{Limit: limit})
		if err != nil || len(page.Items) != want || page.Next == "" {
			t.Errorf("limit %d gives %d: %v", limit, len(page.Items), err)
		}
	}
	// A cursor made by hand may lead anywhere in the list, but nowhere else.
	for _, cursor := range []string{"!", "a b", "%", "=", "YQ=="} {
		_, err := w.Users(t.Context(), viewer, chat.UserQuery{After: cursor})
		wantKind(t, err, chat.Malformed, "after")
	}
	if page, err := w.Users(t.Context(), viewer, chat.UserQuery{After: "____"}); err != nil || len(page.Items) > 0 {
		t.Errorf("beyond the end there are %d people: %v", len(page.Items), err)
	}
}

// A name that nobody can have costs nothing: it isn't folded, and no query carries it.
func TestEndlessNamesAreNobodys(t *testing.T) {
	w := newWorld(t)
	alice, _ := w.two(t)
	endless := strings.Repeat("\ufdfa", 60_000)
	if key := chat.UsernameKey(endless); len(key) > 0 {
		t.Errorf("it has a key of %d octets", len(key))
	}
	_, err := w.UserByName(t.Context(), endless)
	wantKind(t, err, chat.NotFound)
	_, err = w.Conversation(t.Context(), alice, endless)
	wantKind(t, err, chat.NotFound)
	_, err = w.Authenticate(t.Context(), endless, password)
	wantKind(t, err, chat.Denied)
	_, _, err = w.sendDraft(alice, chat.Draft{Recipient: endless, Body: "hi"})
	wantKind(t, err, chat.Invalid, "recipient")
	if len(err.Error()) > 1000 {
		t.Errorf("the error has %d octets", len(err.Error()))
	}
}
