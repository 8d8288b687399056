package views

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
	"github.com/google/uuid"
	"golang.org/x/net/html"

	"parley/db/chat"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The people and the moment of every test here.
var (
	alice = chat.User{ID: 1, Username: "alice", DisplayName: "Alice Archer", CreatedAt: at("2026-01-02 03:04:05")}
	bob   = chat.User{ID: 2, Username: "bob.b", DisplayName: "Bob", CreatedAt: at("2025-12-31 23:30:00")}
	noor  = chat.User{ID: 3, Username: "نور", DisplayName: "نور", CreatedAt: at("2026-02-03 04:05:06")}
	root  = chat.User{ID: 4, Username: "root+1", DisplayName: "Ro <b>Ot</b>", IsAdmin: true}
	gone  = chat.User{ID: 5, Username: "gone", DisplayName: "Gone", DisabledAt: at("2026-03-04 05:06:07")}

	viewing = Viewing{Viewer: alice, Now: at("2026-11-23 10:00:00"), Zone: time.FixedZone("CET", 3600)}
)

func at(text string) time.Time {
	t, err := time.Parse(time.DateTime, text)
	if err != nil {
		panic(err) // the tests' own text
	}
	return t
}

// says is the seq-th message of alice's conversation with somebody.
func says(seq uint64, sender, recipient chat.User, sent, body string) chat.Message {
	id := uuid.UUID{15: byte(seq)}
	return chat.Message{ID: chat.MessageID{Conversation: 7, Seq: seq}, Sender: sender, Recipient: recipient, Body: body, SentAt: at(sent), Rev: seq + 10, ClientID: id}
}

// talk spans two of alice's days (the second begins at 23:00 UTC), and has runs of one's own and of the other's.
func talk() []chat.Message {
	return []chat.Message{
		says(40, bob, alice, "2026-11-22 18:00:00", "Hello!\nTwo lines, and <i>markup</i> & \"quotes\"."),
		says(41, bob, alice, "2026-11-22 18:00:30", "And right after it, a second one"),
		says(42, alice, bob, "2026-11-22 22:59:59", "مرحبا بالعالم"),
		says(43, alice, bob, "2026-11-22 23:00:00", "🙂👩‍👩‍👧‍👦🇪🇺"),
		says(44, bob, alice, "2026-11-23 09:59:00", `" hx-get="/users" hx-trigger="load`),
	}
}

func thread() Thread {
	messages := talk()
	last := messages[len(messages)-1]
	return Thread{
		Viewing: viewing,
		Thread: chat.Thread{
			Conversation: chat.Conversation{ID: 7, With: bob, LastMessage: &last, LastSeq: 44, LastRev: 57, LastReadSeq: 39},
			Messages:     messages, HasOlder: true,
		},
		Composer: Composer{ClientID: "1b4e28ba-2fa1-41d2-883f-0016d3cca427", Longest: 10_000},
	}
}

func with(t Thread, change func(*Thread)) Thread {
	change(&t)
	return t
}

func conversations() ConversationList {
	own := says(1, alice, alice, "2026-11-23 08:00:00", "buy milk")
	own.Sender, own.Recipient = alice, alice
	hers := says(3, noor, alice, "2026-10-01 12:00:00", "كيف حالك؟")
	long := says(9, alice, gone, "2025-10-01 12:00:00", strings.Repeat("a long text ", 20))
	last := talk()[4]
	return ConversationList{
		Items: []chat.Conversation{
			{ID: 7, With: bob, LastMessage: &last, Unread: 3},
			{ID: 8, With: alice, LastMessage: &own},
			{ID: 9, With: noor, LastMessage: &hers, Unread: 120},
			{ID: 10, With: gone, LastMessage: &long},
		},
		Next: "/conversations?after=abc&limit=20", Current: "bob.b",
	}
}

// goldens is every view that a person sees, as it is to look.
func goldens() map[string]templ.Component {
	refused := with(thread(), func(t *Thread) {
		t.Composer.Body, t.Composer.Error = "typed\n</textarea><b>", "The message wasn't sent. It is too long."
	})
	list := conversations()
	frame := Frame{Viewing: viewing, Title: "Bob", Conversations: list}
	return map[string]templ.Component{
		"login":                  LoginPage(Login{}),
		"login-refused":          LoginPage(Login{Username: `al"ice`, Next: "/conversations/bob?before=7-42", Error: "The username or the password is wrong."}),
		"conversations":          Conversations(viewing, list),
		"conversations-empty":    Conversations(viewing, ConversationList{}),
		"thread":                 ThreadPane(thread()),
		"thread-refused":         ThreadPane(refused),
		"thread-middle":          ThreadPane(with(thread(), func(t *Thread) { t.HasNewer = true })),
		"thread-empty":           ThreadPane(with(thread(), func(t *Thread) { t.Messages, t.HasOlder = nil, false })),
		"thread-disabled":        ThreadPane(with(thread(), func(t *Thread) { t.Conversation.With = gone })),
		"thread-notes":           ThreadPane(with(thread(), func(t *Thread) { t.Conversation.With, t.Messages = alice, nil })),
		"history":                History(thread()),
		"changes":                Changes(viewing, chat.Changes{Conversation: chat.Conversation{LastReadSeq: 39}, Messages: talk()[3:], Rev: 54, More: true}),
		"message":                OneMessage(viewing, talk()[0]),
		"pending":                pending("bob.b"),
		"directory":              DirectoryPane(Directory{Viewing: viewing, Search: `b "x"`, Users: []chat.User{bob, noor, root}, Next: "/users?after=abc&q=b"}),
		"directory-empty":        DirectoryPane(Directory{Viewing: viewing}),
		"directory-nobody-found": DirectoryPane(Directory{Viewing: viewing, Search: "<zz>"}),
		"profile":                Profile(viewing, bob),
		"profile-own":            Profile(viewing, alice),
		"profile-disabled":       Profile(viewing, gone),
		"error":                  ErrorPage(Problem{Heading: "Not here", Text: "There is nothing at this address."}),
		"error-fault":            ErrorPage(Problem{Heading: "Something went wrong", Text: "Something went wrong.", Reference: "0123-reference", Typed: "a <b>text</b>"}),
		"error-fragment":         ErrorFragment("", "No <b>."),
		"app":                    In(App(frame), ThreadPane(thread())),
		"app-admin":              In(App(Frame{Viewing: Viewing{root, viewing.Now, viewing.Zone}, Title: "Conversations"}), NoConversation()),
		"admin-degraded":         degraded(RedisAway, AuditEvents(AuditLog{Viewing: viewing})),
		"admin-node-silent":      degraded(NodeSilent, AuditEvents(AuditLog{Viewing: viewing})),
		"trace":                  MessageFacts(viewing, factsOfOne(), traced()),
		"trace-forgotten":        MessageFacts(viewing, factsOfOne(), Trace{Nodes: []TraceNode{{Name: "one:8080", Since: at("2026-11-23 09:00:00"), Forgotten: true}}}),
		"live":                   LivePlots(live(0, 5, 3.25)),
		"live-several":           LivePlots(several(live(12.5))),
		"live-empty":             LivePlots(live()),
		"own-profile":            OwnProfileForm(OwnProfile{User: alice, DisplayName: alice.DisplayName, Done: true}),
		"own-profile-refused":    OwnProfileForm(OwnProfile{User: alice, DisplayName: `<b>"`, Error: "Nothing was changed.", Errors: map[string][]string{"display_name": {"A display name has at most 64 characters."}}}),
		"place":                  EditPlace(EditedPlace{Place: chat.Place{Name: `<b>"`}, Error: "Nothing was changed.", Errors: map[string][]string{"name": {"Give the place a name."}}}),
		"titled":                 In(Titled("Bob"), Profile(viewing, bob)),
	}
}

// degraded shows an admin page on a node that does without word of others.
func degraded(why Degradation, component templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error { return component.Render(Degraded(ctx, why), w) })
}

// Each view is what its golden file shows. After a change that is meant: go test ./views -update, and read the diff.
func TestGolden(t *testing.T) {
	known := map[string]bool{}
	for name, component := range goldens() {
		t.Run(name, func(t *testing.T) {
			checkGolden(t, filepath.Join("testdata", name+".golden.html"), readable(rendered(t, component)))
		})
		known[name+".golden.html"] = true
	}
	files, _ := filepath.Glob("testdata/*.golden.html")
	for _, file := range files {
		if !known[filepath.Base(file)] {
			t.Errorf("%s belongs to no view", file)
		}
	}
}

func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	lines := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(lines) || line != lines[i] {
			t.Fatalf("%s:%d is %q, now it would be %q", file, i+1, lines[min(i, len(lines)-1)], line)
		}
	}
	t.Fatalf("%s goes on after what is rendered now", file)
}

func rendered(t *testing.T, component templ.Component) string {
	t.Helper()
	var out bytes.Buffer
	if err := component.Render(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func parsed(t *testing.T, component templ.Component) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(rendered(t, component)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

var contentHash = regexp.MustCompile(`(/static/[a-z.]+)\.[0-9a-f]{12}\.`)

// readable puts each element on a line of its own and leaves out the static files' hashes, which change with every
// comma in them.
func readable(text string) string {
	var out strings.Builder
	depth := 0
	for z := html.NewTokenizer(strings.NewReader(text)); z.Next() != html.ErrorToken; {
		raw, token := strings.TrimSpace(string(z.Raw())), z.Token()
		if token.Type == html.EndTagToken {
			depth--
		}
		if raw != "" {
			out.WriteString(strings.Repeat("\t", max(depth, 0)) + contentHash.ReplaceAllString(raw, "$1.") + "\n")
		}
		if token.Type == html.StartTagToken && !void[token.Data] {
			depth++
		}
	}
	return out.String()
}

var void = map[string]bool{"meta": true, "link": true, "input": true, "br": true, "img": true, "hr": true}
