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

	buried   = chat.User{ID: 6, Username: "~deleted-6", DisplayName: chat.DeletedName, DisabledAt: at("2026-03-04 05:06:07"), DeletedAt: at("2026-03-04 05:06:07")}
	pictured = chat.User{ID: 2, Username: "bob.b", DisplayName: "Bob", CreatedAt: at("2025-12-31 23:30:00"), Photo: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}

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

// erased is a message whose sender deleted it with their account.
func erased() chat.Message {
	m := says(45, buried, alice, "2026-11-23 09:59:30", "")
	m.DeletedAt = at("2026-11-23 10:00:00")
	return m
}

func joined(all ...templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		for _, c := range all {
			if err := c.Render(ctx, w); err != nil {
				return err
			}
		}
		return nil
	})
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

func letter(m chat.Mail, base string) Letter {
	l, known := LetterOf(m, base)
	if !known {
		panic("no words for " + m.Kind)
	}
	return l
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
		"thread-blocked":         ThreadPane(with(thread(), func(t *Thread) { t.Conversation.Blocked = true })),
		"profile-blocked":        Profile(viewing, chat.Profile{User: bob}, true),
		"blocks":                 Blocks(BlockList{Viewing: viewing, Blocks: []chat.Block{{User: bob, At: at("2026-11-22 18:00:00")}, {User: root, At: at("2026-11-21 18:00:00")}}, Next: "/account/blocks?after=abc"}),
		"blocks-empty":           Blocks(BlockList{Viewing: viewing}),
		"report":                 ReportForm(NewReport{Viewing: viewing, Message: talk()[0]}),
		"report-refused":         ReportForm(NewReport{Viewing: viewing, Message: talk()[0], Typed: chat.ReportDraft{Reason: chat.ReasonOther, Note: "typed\n</textarea><b>"}, Error: "The message wasn't reported.", Errors: map[string][]string{"reason": {"Choose."}, "note": {"Too long."}}}),
		"report-open":            ReportForm(NewReport{Viewing: viewing, Message: talk()[0], Reported: true}),
		"own-reports":            OwnReports(ReportList{Viewing: viewing, Reports: reports(), Next: "/account/reports?after=abc", Done: true}),
		"own-reports-empty":      OwnReports(ReportList{Viewing: viewing}),
		"admin-reports":          waiting(3, Reports(ReportList{Viewing: viewing, Reports: reports(), Next: "/admin/reports?after=abc"})),
		"admin-reports-empty":    Reports(ReportList{Viewing: viewing}),
		"admin-report":           waiting(100, ShowReport(ShownReport{Viewing: viewing, Report: reports()[0]})),
		"admin-report-opened":    ShowReport(ShownReport{Viewing: viewing, Report: reports()[0], Opened: true, Body: "The <b>text</b>\nof then"}),
		"admin-report-closed":    ShowReport(ShownReport{Viewing: viewing, Report: reports()[1], Done: true}),
		"admin-report-conflict":  ShowReport(ShownReport{Viewing: viewing, Report: reports()[1], Typed: chat.Decision{Note: "typed <b>"}, Error: "This report was closed already."}),
		"audit":                  AuditEvents(AuditLog{Viewing: viewing, Filter: AuditFilter{Person: `b"ob`, Action: "session.sign_in"}, Events: events(), Next: "/admin/audit?after=abc"}),
		"audit-refused":          AuditEvents(AuditLog{Viewing: viewing, Filter: AuditFilter{From: "<b>"}, Error: "The log can't be searched like this.", Errors: map[string][]string{"from": {"This is no day."}}}),
		"audit-none":             AuditEvents(AuditLog{Viewing: viewing, Filter: AuditFilter{Person: "bob.b"}}),
		"activity":               Activity(AuditLog{Viewing: viewing, Events: activity(), Next: "/account/activity?after=abc"}),
		"activity-empty":         Activity(AuditLog{Viewing: viewing}),
		"history":                History(thread()),
		"changes":                Changes(viewing, chat.Changes{Conversation: chat.Conversation{LastReadSeq: 39}, Messages: talk()[3:], Rev: 54, More: true}),
		"message":                OneMessage(viewing, talk()[0]),
		"pending":                pending("bob.b"),
		"directory":              DirectoryPane(Directory{Viewing: viewing, Search: `b "x"`, Users: []chat.User{bob, noor, root}, Next: "/users?after=abc&q=b"}),
		"directory-empty":        DirectoryPane(Directory{Viewing: viewing}),
		"directory-nobody-found": DirectoryPane(Directory{Viewing: viewing, Search: "<zz>"}),
		"profile":                Profile(viewing, chat.Profile{User: pictured, About: "<b> \"says\" \u200eمرحبا"}, false),
		"profile-own":            Profile(viewing, chat.Profile{User: alice}, false),
		"profile-disabled":       Profile(viewing, chat.Profile{User: gone}, false),
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
		"profile-deleted":        Profile(viewing, chat.Profile{User: buried}, false),
		"thread-deleted":         ThreadPane(with(thread(), func(t *Thread) { t.Conversation.With, t.Messages = buried, []chat.Message{erased()} })),
		"conversations-photos":   Conversations(viewing, ConversationList{Items: []chat.Conversation{{ID: 7, With: pictured}, {ID: 9, With: buried, LastMessage: new(erased())}}}),
		"own-profile":            OwnProfileForm(OwnProfile{User: alice, DisplayName: alice.DisplayName, Zones: []string{"Europe/Berlin", "UTC"}, BrowserZone: "America/New_York", Done: "saved"}),
		"own-profile-photo":      OwnProfileForm(OwnProfile{User: pictured, DisplayName: "Bob", TimeZone: "Asia/Calcutta", Zones: []string{"UTC"}, Done: "photo"}),
		"own-profile-refused":    OwnProfileForm(OwnProfile{User: alice, DisplayName: `<b>"`, About: "<i>", Done: "saved", Error: "Nothing was changed.", Errors: map[string][]string{"display_name": {"A display name has at most 64 characters."}, "about": {"Too long."}, "time_zone": {"No zone."}, "photo": {"No image."}}}),
		"own-data":               OwnDataForm(OwnData{Reach: chat.ExportReach{Conversations: 1, Messages: 1234}}),
		"own-data-refused":       OwnDataForm(OwnData{Error: "Nothing was exported.", Errors: map[string][]string{"current_password": {"This is not your password."}}}),
		"deletion":               DeletionForm(Deletion{User: alice, Reach: chat.ExportReach{Conversations: 3, Messages: 1}}),
		"deletion-refused":       DeletionForm(Deletion{User: alice, Username: `"<b>`, Messages: "erase", Error: "Nothing was deleted.", Errors: map[string][]string{"username": {"Type it."}, "current_password": {"This is not your password."}}}),
		"farewell":               Farewell(),
		"exported-index":         In(ExportHead("<b>"), joined(ExportedProfile(viewing, chat.Profile{User: alice, About: "<i>"}, "photo.jpg"), ExportedRow(viewing, chat.Conversation{With: root, LastSeq: 1}, "conversations/7.html"))),
		"exported-conversation":  In(ExportHead("<b>"), joined(ExportedConversation(viewing, chat.Conversation{With: root}), ExportedDay(viewing, talk()[0]), ExportedMessage(viewing, talk()[0]), ExportedMessage(viewing, talk()[3]), ExportedMessage(viewing, erased()))),
		"place":                  EditPlace(EditedPlace{Place: chat.Place{Name: `<b>"`, SignUp: chat.SignUpInvited, SecondFactor: chat.SecondFactorAll}, Error: "Nothing was changed.", Errors: map[string][]string{"sign_up": {"Choose one."}}}),
		"login-ended":            LoginPage(Login{Next: "/conversations/bob", Why: WhyEnded}),
		"own-password":           OwnPasswordForm(OwnPassword{User: alice, Done: true}),
		"own-password-tokens":    OwnPasswordForm(OwnPassword{User: alice, Tokens: 2, Revoke: true}),
		"own-password-refused":   OwnPasswordForm(OwnPassword{User: alice, Done: true, Error: "Nothing was changed.", Errors: map[string][]string{"current_password": {"Not this."}, "password": {"Too short."}}}),
		"own-email":              OwnEmailForm(OwnEmail{OwnEmail: chat.OwnEmail{User: alice}, Email: "alice@example.org", Done: "saved"}),
		"own-email-wanted":       OwnEmailForm(OwnEmail{OwnEmail: chat.OwnEmail{User: alice, Wanted: `new<b>@example.org`}, Email: "alice@example.org", Done: "asked", Mail: true}),
		"own-email-no-mail":      OwnEmailForm(OwnEmail{OwnEmail: chat.OwnEmail{User: alice, Wanted: "new@example.org"}}),
		"own-email-refused":      OwnEmailForm(OwnEmail{OwnEmail: chat.OwnEmail{User: alice}, Email: `<b>"`, Error: "Nothing was changed.", Errors: map[string][]string{"email": {"Not an address."}}}),
		"devices":                Devices(DeviceList{Viewing: viewing, Sessions: openSessions(), First: true, Next: "/account/devices?after=abc", Done: "one"}),
		"devices-alone":          Devices(DeviceList{Viewing: viewing, Sessions: openSessions()[:1], First: true}),
		"devices-none":           Devices(DeviceList{Viewing: viewing}),
		"admin-new-person":       NewAccountForm(NewAccount{}),
		"own-factors":            OwnFactorsPane(OwnFactors{Viewing: viewing, Passkeys: true}),
		"own-factors-all":        OwnFactorsPane(OwnFactors{Viewing: viewing, Factors: factors(), Passkeys: true, Done: "recovered"}),
		"own-factors-refused":    OwnFactorsPane(OwnFactors{Viewing: viewing, Factors: factors(), Form: FormRemovePasskey(7), Error: "Nothing was changed.", Errors: map[string][]string{"password": {"This isn’t your password."}}}),
		"own-factors-lacking":    In(FactorsFirst("Set up a second factor"), FactorForms(OwnFactors{Viewing: viewing, Factors: chat.Factors{Required: true}})),
		"totp-setup":             TOTPSetupPane(TOTPSetup{TOTPSetup: chat.TOTPSetup{Secret: "ABCDEFGHIJKLMNOP", URL: "x"}, Error: "Not yet.", Errors: map[string][]string{"code": {"Not this one."}}}),
		"recovery-codes":         RecoveryCodesPane("Done.", []string{"abcd-efgh", "ijkl-mnop"}),
		"second-factor":          SecondFactorPage(SignIn{Kinds: factors().Kinds(), Next: "/users"}),
		"second-factor-refused":  SecondFactorPage(SignIn{Kinds: []chat.FactorKind{chat.FactorTOTP}, Error: "Not yet.", Errors: map[string][]string{"code": {"Wrong."}}}),
		"second-factor-passkey":  SecondFactorPage(SignIn{Kinds: []chat.FactorKind{chat.FactorPasskey}}),
		"login-passkeys":         LoginPage(Login{Passkeys: true, Next: "/users"}),
		"mail-queue": AdminMail(MailQueue{Viewing: viewing, MailList: chat.MailList{Waiting: 3, Stuck: 1, Page: chat.Page[chat.QueuedMail]{Items: []chat.QueuedMail{
			{ID: 9, Kind: "asked", To: `"<b>"@example.org`, QueuedAt: at("2026-11-23 09:59:59"), DueAt: at("2026-11-23 09:59:59")},
			{ID: 8, Kind: chat.MailReset, Username: "bob.b", To: "bob@example.org", QueuedAt: at("2026-11-23 09:00:00"), DueAt: at("2026-11-23 10:10:00"), Attempts: 5, Error: "421 <b>busy</b>"},
			{ID: 7, Kind: chat.MailConfirm, Username: "alice", To: "alice@example.org", QueuedAt: at("2026-11-23 09:00:00"), DueAt: at("2026-11-23 09:00:00"), Attempts: 1, LeasedUntil: at("2026-11-23 10:04:00")},
			{ID: 6, Kind: chat.MailPasswordChanged, Username: "gone", To: "gone@example.org", QueuedAt: at("2026-11-20 09:00:00"), Attempts: 1, Error: "550 nobody"},
		}}}, Next: "/admin/mail?after=abc", SMTP: true, Done: "retried"}),
		"mail-queue-empty":   AdminMail(MailQueue{Viewing: viewing}),
		"mail-reset":         LetterPage(letter(chat.Mail{Kind: chat.MailReset, User: root, Place: `Our "<b>" place`, Token: "a-token"}, "https://chat.example.org")),
		"mail-email-changed": LetterPage(letter(chat.Mail{Kind: chat.MailEmailChanged, User: bob, Place: "Parley", QueuedAt: at("2026-11-23 09:00:00")}, "https://chat.example.org")),
		"mail-codes-wrong":   LetterPage(letter(chat.Mail{Kind: chat.MailCodesWrong, User: bob, Place: "Parley", QueuedAt: at("2026-11-23 09:00:00"), IP: "192.0.2.1"}, "https://chat.example.org")),
		"mail-deleted":       LetterPage(letter(chat.Mail{Kind: chat.MailDeleted, User: chat.User{Username: "~deleted-7"}, Place: "Parley", QueuedAt: at("2026-11-23 09:00:00")}, "https://chat.example.org")),
		"mail-email-taken":   LetterPage(letter(chat.Mail{Kind: chat.MailEmailTaken, User: bob, Place: "Parley"}, "https://chat.example.org")),
		"forgot":             ForgotForm(Forgot{Mail: true, Email: `al"ice`, Error: "No mail is on its way.", Errors: map[string][]string{"email": {"This is not an e-mail address, such as name@example.org."}}}),
		"forgot-done":        ForgotForm(Forgot{Mail: true, Done: true}),
		"forgot-no-mail":     ForgotForm(Forgot{}),
		"reset":              ResetForm(Reset{User: noor, Action: ResetPath + `"<b>`, Error: "The password can't be used.", Errors: map[string][]string{"password": {"A password has 8 to 128 characters."}}}),
		"reset-done":         ResetDone(),
		"reset-link":         ShowResetLink(MadeResetLink{viewing, chat.ResetLink{Account: chat.Account{User: bob}, Token: "a-token", Expires: at("2026-11-23 11:00:00")}, "https://chat.example.org/password/reset/a-token"}),
		"link-ended":         LinkEnded("This link doesn't work any more.", "/password/forgot", "Ask for another link"),
		"confirm":            ConfirmForm(chat.Confirmation{User: bob, Email: `"<b>"@example.org`}, ConfirmPath+"a-token", "Another account has it."),
		"confirmed":          Confirmed(),
		"tokens":             OwnTokens(tokens()),
		"tokens-none":        OwnTokens(TokenList{Viewing: viewing, Done: true}),
		"tokens-made":        OwnTokens(TokenList{Viewing: viewing, Tokens: tokens().Tokens[:1], Made: "parley_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG000000"}),
		"tokens-refused": OwnTokens(TokenList{Viewing: viewing, Typed: chat.NewToken{Name: `<b>"`, Scope: "write", Days: chat.TokenForever}, Error: "The token wasn't made.", Errors: map[string][]string{
			"name": {"Choose another name."}, "scope": {"Choose what the token may do."}, "days": {"Choose how long."}, "current_password": {"This isn't your present password."}}}),
		"directory-throttled":  DirectoryPane(Directory{Viewing: viewing, Search: `b "x"`, Error: "You are searching faster than Parley looks. Try again in a second."}),
		"titled":               In(Titled("Bob"), Profile(viewing, chat.Profile{User: bob}, false)),
		"login-open":           LoginPage(Login{SignUp: chat.SignUpOpen}),
		"login-invitation":     LoginPage(Login{SignUp: chat.SignUpInvited}),
		"signup":               SignUpPage(SignUp{Offer: chat.SignUpOffer{Place: chat.Place{Name: `<b>"`, SignUp: chat.SignUpOpen}}}),
		"signup-invited":       SignUpPage(SignUp{Offer: chat.SignUpOffer{Place: chat.Place{Name: "Our place"}, InvitedBy: bob}, Invite: `a"b`, Typed: chat.NewUser{Username: `<b>"`, DisplayName: "<i>", Email: "x", Password: "secret"}, Error: "The account wasn't made.", Errors: map[string][]string{"username": {"Taken."}, "password": {"Short."}}}),
		"signup-closed":        SignUpRefused(chat.Place{SignUp: chat.SignUpClosed}, "No <b>."),
		"signup-by-invitation": SignUpRefused(chat.Place{SignUp: chat.SignUpInvited}, "Ask somebody."),
		"setup":                SetupPage(Setup{Token: "abc", Name: "Parley"}),
		"setup-refused":        SetupPage(Setup{Token: "abc", Name: `<b>"`, Typed: chat.NewUser{Username: "ada"}, Error: "The account wasn't made.", Errors: map[string][]string{"name": {"Give it one."}}}),
		"invitations":          OwnInvitations(InvitationList{Viewing: viewing, May: true, Invitations: invitations(), Next: "/account/invitations?after=abc", Done: "revoked"}),
		"invitations-new":      OwnInvitations(InvitationList{Viewing: viewing, May: true, Link: "https://chat.example.org/signup?invite=abc", Invitations: invitations()[:1]}),
		"invitations-refused":  OwnInvitations(InvitationList{Viewing: viewing, May: true, Note: `<b>"`, Days: "91", Uses: "0", Error: "No invitation was made.", Errors: map[string][]string{"days": {"Too long."}}}),
		"invitations-none":     OwnInvitations(InvitationList{Viewing: viewing}),
		"invitations-all":      AllInvitations(InvitationList{Viewing: viewing, Invitations: invitations()}),
		"invitations-all-none": AllInvitations(InvitationList{Viewing: viewing}),
	}
}

func openSessions() []chat.OpenSession {
	firefox := "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	return []chat.OpenSession{
		{Name: "0a", Device: chat.Device{UserAgent: firefox, IP: "192.0.2.7"}, SignedInAt: at("2026-11-23 09:00:00"), SeenAt: at("2026-11-23 09:59:00"), Current: true},
		{Name: "0b", Device: chat.Device{UserAgent: "<b>thing</b> with words"}, SignedInAt: at("2026-11-20 09:00:00"), SeenAt: at("2026-11-21 09:00:00")},
		{Name: "0c", SignedInAt: at("2026-11-19 09:00:00"), SeenAt: at("2026-11-19 09:00:00")},
	}
}

// factors are one of each sort.
func factors() chat.Factors {
	return chat.Factors{
		TOTP:          chat.TOTP{AddedAt: at("2026-11-01 10:00:00"), UsedAt: at("2026-11-23 09:00:00")},
		Passkeys:      []chat.Passkey{{ID: 7, Name: `My <b>"phone"`, AddedAt: at("2026-11-02 10:00:00")}},
		RecoveryCodes: 9,
	}
}

func reports() []chat.Report {
	open := chat.Report{ID: 12, At: at("2026-11-22 18:05:00"), Reporter: "alice", Subject: "bob.b", Message: chat.MessageID{Conversation: 7, Seq: 40},
		SentAt: at("2026-11-22 18:00:00"), Characters: 47, Reason: chat.ReasonHarassment, Note: "Again <b>\nand again", State: chat.ReportOpen}
	closed := open
	closed.ID, closed.Note, closed.State, closed.ClosedAt = 11, "", chat.ReportUpheld, at("2026-11-22 19:00:00")
	closed.ClosedBy, closed.CloserIn, closed.CloseNote = "bob.b", true, "disabled <i>\nfor a week"
	return []chat.Report{open, closed}
}

func event(id uint64, actor string, action chat.AuditAction, subject, detail string) chat.AuditEvent {
	return chat.AuditEvent{ID: id, At: at("2026-11-22 18:05:00"), Actor: actor, Action: action, Subject: subject, Detail: detail, IP: "192.0.2.7"}
}

func events() []chat.AuditEvent {
	opened := event(9, "root+1", chat.AuditOpenBody, "bob.b", "report 12")
	opened.Message = chat.MessageID{Conversation: 7, Seq: 40}
	return []chat.AuditEvent{opened, event(8, "", chat.AuditSignInFailed, "", "unknown name, 7 times"), event(7, "", chat.AuditSignInFailed, "alice", "3 times"),
		event(6, "alice", chat.AuditSignIn, "alice", ""), event(5, "root+1", chat.AuditPromote, "alice", ""), event(4, "alice", "something.new", "alice", "<b>")}
}

// activity is what alice sees of it.
func activity() []chat.AuditEvent {
	opened := event(9, "root+1", chat.AuditOpenBody, "alice", "")
	opened.Message, opened.IP = chat.MessageID{Conversation: 7, Seq: 42}, ""
	return append([]chat.AuditEvent{opened}, events()[2:]...)
}

func waiting(n int, component templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return component.Render(WaitingReports(ctx, n), w)
	})
}

// tokens is one of each kind.
func tokens() TokenList {
	return TokenList{Viewing: viewing, Tokens: []chat.Token{
		{ID: 12, Name: "A <b>bot</b>", Scope: chat.ScopeWrite, CreatedAt: at("2026-11-20 10:00:00"), UsedAt: at("2026-11-23 09:59:00"), UsedIP: "2001:db8::1"},
		{ID: 7, Name: "نسخ احتياطي", Scope: chat.ScopeRead, CreatedAt: at("2026-08-20 10:00:00"), ExpiresAt: at("2026-11-18 10:00:00")},
	}}
}

// invitations are one that is open, and one for each way to end.
func invitations() []chat.Invitation {
	one := chat.Invitation{ID: 4, CreatedBy: bob, Note: `for <b>"`, UsesAllowed: 3, Uses: 1, CreatedAt: viewing.Now, ExpiresAt: viewing.Now.AddDate(0, 0, 7), UsedBy: []chat.InvitationUse{{User: noor, At: viewing.Now}}}
	used, revoked, late := one, one, one
	used.ID, used.Uses, used.UsedBy = 3, 3, append(one.UsedBy[:1:1], chat.InvitationUse{User: alice}, chat.InvitationUse{User: root})
	revoked.ID, revoked.RevokedAt, revoked.Note = 2, viewing.Now, ""
	late.ID, late.ExpiresAt = 1, viewing.Now
	return []chat.Invitation{one, used, revoked, late}
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
