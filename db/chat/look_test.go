package chat_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"parley/db/chat"
	"parley/queries"
)

func TestNamesThatLookAlike(t *testing.T) {
	for _, c := range []struct {
		one, other string
		alike      bool
	}{
		{"admin", "Admin", true},
		{"admin", "ádmin", true}, // an accent that few would notice
		{"admin", "admi\u0323n", true},
		{"admin", "аdmin", true},                 // the first letter is Cyrillic
		{"admin", "αdmin", true},                 // Greek
		{"admin", "admın", true},                 // dotless
		{"admin", "adm1n", true},                 //
		{"admin", "ADMlN", true},                 // a small l for a capital I
		{"admin", "adrnin", true},                //
		{"admin", "ａｄｍｉｎ", true},                 // full width
		{"admin", "𝐚𝐝𝐦𝐢𝐧", true},                 // mathematical
		{"admin", "ad\u200Bmin", true},           // zero width
		{"admin", "admin\u3164", true},           // a filler
		{"admin", "ad\u00ADmin", true},           //
		{"alice", "аӏісе", true},                 // all of it Cyrillic
		{"OOO", "000", true},                     //
		{"ΝΙΚΟ", "NIKO", true},                   // Greek capitals
		{"νικο", "niko", false},                  // small ones look different
		{"ВОВА", "boba", true},                   // looks like BOBA
		{"вова", "boba", false},                  //
		{"ian", "lan", true},                     // Ian and lan
		{"admin", "admins", false},               //
		{"anna", "hannah", false},                //
		{"bob", "rob", false},                    //
		{"user10", "user11", false},              //
		{"demo00000", "demo00001", false},        //
		{"山田", "山川", false},                      //
		{"さくら", "ざくら", false},                    // the dakuten makes another letter
		{"राम", "रामा", false},                   // a vowel sign
		{"ராமன்", "ராமன", false},                 // a virama
		{"มา", "ม้า", false},                     // a tone mark
		{"", "a", false},                         //
		{strings.Repeat("m", 64), "rnrn", false}, //
		{strings.Repeat("l", 64), strings.Repeat("1", 64), true},
	} {
		if got := chat.Skeleton(c.one) == chat.Skeleton(c.other); got != c.alike {
			t.Errorf("%+q and %+q look alike: %t, want %t (%+q, %+q)", c.one, c.other, got, c.alike, chat.Skeleton(c.one), chat.Skeleton(c.other))
		}
	}
}

func TestMixedScripts(t *testing.T) {
	for name, want := range map[string]bool{
		"alice": false, "Zoë": false, "7of9": false, "ева": false, "νίκος": false, "מרים": false, "مريم": false, "हिन्दी": false, "山田太郎": false,
		"さくらサクラ": false, "山田さん": false, "yamada太郎": false, "김철수": false, "kim철수": false, "ᏣᎳᎩ": false, "12345": false, "ев-а.1": false, "ラーメン": false,
		"аlice": true, "aliсe": true, "pαul": true, "ΑdminΒ": true, "евα": true, "山田김": false, "ева太郎": true, "김さくら": true, "aמ": true, "Xა": true, "日本а": true,
	} {
		if got := chat.MixesScripts(name); got != want {
			t.Errorf("%+q mixes scripts: %t, want %t", name, got, want)
		}
	}
}

func TestReservedNames(t *testing.T) {
	for name, want := range map[string]bool{
		"admin": true, "ADMIN": true, "ádmin": true, "аdmin": true, "r00t": true, "supp0rt": true, "Parley": true, "pаr1ey": true, "postmaster": true, "www": true,
		"everyone": true, "me": true, "alice": false, "ali": false, "amina": false, "rooter": false, "badmin": false, "mia": false, "lena": false, "山田": false,
	} {
		if got := chat.IsReserved(name); got != want {
			t.Errorf("%q is reserved: %t, want %t", name, got, want)
		}
	}
}

// The file is read whole: a line that isn't understood would be a look-alike that isn't seen.
func TestConfusablesAreRead(t *testing.T) {
	text, err := os.ReadFile("confusables.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		lines++
		prototype, alike, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found || prototype == "" || alike == "" || strings.Trim(prototype+alike, "0123456789ABCDEF ") != "" {
			t.Errorf("%q isn't a prototype and what looks like it", line)
		}
	}
	if lines < 3000 {
		t.Errorf("there are only %d lines", lines)
	}
}

// seedLook is how fuzzing starts: the tricks of the tables above.
var seedLook = []string{"admin", "ádmin", "аdmin", "ad\u200Bmin", "ＡＤＭＩＮ", "adrnin", "İ", "ẞ", "ﬃ", "Ꭰꭰ", "\u0345", "\u1F80", "a\xff", "ราม", "가", "\U000E0100", "नि", "\u202Ea", "0O1lI"}

// Whatever is taken as a username looks like something, like itself in other capitals and forms, and fits into its column.
func FuzzUsernames(f *testing.F) {
	for _, name := range seedLook {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, given string) {
		_ = chat.Skeleton(given) // of anything, since display names are asked for theirs
		name, ok := chat.TidyUsername(given)
		if !ok {
			return
		}
		skeleton := chat.Skeleton(name)
		if skeleton == "" || !utf8.ValidString(skeleton) {
			t.Fatalf("%+q looks like %+q", name, skeleton)
		}
		if strings.ContainsFunc(name, func(r rune) bool { return unicode.In(r, unicode.Cf, unicode.Cc, unicode.Z) }) {
			t.Fatalf("%+q has what can't be seen", name)
		}
		if again, ok := chat.TidyUsername(name); !ok || again != name {
			t.Fatalf("%+q is stored as %+q", name, again)
		}
		if n := len(chat.SkeletonKey(name)); n == 0 || n > 480 || !utf8.Valid(chat.SkeletonKey(name)) {
			t.Fatalf("%+q has a key of %d octets", name, n)
		}
		for _, hidden := range []string{"\u200B", "\u0301", "\u3164", "\uFE0F"} {
			if got := chat.Skeleton(name + hidden); got != skeleton {
				t.Fatalf("%+q followed by %+q looks like %+q, not %+q", name, hidden, got, skeleton)
			}
		}
	})
}

func TestUsernamesThatLookTaken(t *testing.T) {
	w := newWorld(t)
	make := func(username string) error {
		_, err := w.CreateUser(t.Context(), chat.NewUser{Username: username, Password: password})
		return err
	}
	for _, username := range []string{"paypal", "Ian", "山田", "νίκος", "admin"} { // a reserved one, too: an admin makes it
		if err := make(username); err != nil {
			t.Errorf("%s: %v", username, err)
		}
	}
	for _, username := range []string{"PayPaI", "paypa1", "páypal", "раураӏ", "lan", "νικος", "Adm1n", "раypal"} {
		wantKind(t, make(username), chat.Invalid, "username")
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM users"); n != 5 {
		t.Errorf("there are %d accounts", n)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM skeletons s JOIN users u ON u.id = s.user_id"); n != 5 {
		t.Errorf("%d have a skeleton", n)
	}
}

// Two who choose names that look alike at the same time can't both have them.
func TestLookAlikesAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	names := []string{"kim1", "kiml", "kimi", "KIM1", "kiмi", "kíml"}
	errs := make([]error, len(names))
	together(len(names), func(i int) {
		_, errs[i] = w.CreateUser(context.Background(), chat.NewUser{Username: names[i], Password: password})
	})
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		wantKind(t, err, chat.Invalid, "username")
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM users"); made != 1 || n != 1 {
		t.Errorf("%d accounts were made, %d are there", made, n)
	}
}

// Accounts from before keep their names, those that look alike too, and from then on nobody gets another such name.
func TestFillSkeletons(t *testing.T) {
	w := newWorld(t)
	var names []string
	for i := range chat.SkeletonRows + 5 {
		names = append(names, fmt.Sprint("old", i))
	}
	names = append(names, "paypal", "paypaI", "раураӏ", "old00", "oldO0")
	rows := make([]queries.CreateUserParams, len(names))
	for i, name := range names {
		rows[i] = queries.CreateUserParams{Username: name, UsernameKey: chat.UsernameKey(name), DisplayName: name, SearchKey: []byte(name), PasswordHash: "none", CreatedAt: time.Now().UTC()}
	}
	if err := w.q.CreateUsers(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 3)
	together(len(errs), func(i int) { _, errs[i] = w.FillSkeletons(context.Background()) })
	for _, err := range errs {
		wantKind(t, err, 0)
	}
	if n, err := w.FillSkeletons(t.Context()); n != 0 || err != nil {
		t.Errorf("%d were filled once more: %v", n, err)
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM skeletons"); n != len(names) {
		t.Errorf("%d of %d have a skeleton", n, len(names))
	}
	if n := count(t, w.db, "SELECT COUNT(*) FROM skeletons WHERE INSTR(skeleton_key, CHAR(0)) > 0"); n != 3 {
		t.Errorf("%d stand beside others, want 3", n)
	}
	_, err := w.CreateUser(t.Context(), chat.NewUser{Username: "pаypаl", Password: password})
	wantKind(t, err, chat.Invalid, "username")
	_, err = w.CreateUser(t.Context(), chat.NewUser{Username: "01d00", Password: password})
	wantKind(t, err, chat.Invalid, "username")
}
