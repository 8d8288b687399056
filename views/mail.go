package views

import (
	"fmt"
	"net/url"
	"strings"

	"parley/db/chat"
)

// Addresses that links in mail lead to. Whoever has one can do what it is for.
const (
	ResetPath   = "/password/reset/"
	ConfirmPath = "/email/confirm/"
)

// Letter is the words of a mail.
type Letter struct {
	Subject    string
	Paragraphs []string // before the link
	Button     string   // what the link does
	Link       string   // "" where there is none
	Footer     string
}

// LetterOf finds the words for a mail. base is what links begin with: scheme and host. It never comes from a request, which
// could name a host of its sender's. There are none for what only a newer Parley sends, beside which this one may run.
func LetterOf(m chat.Mail, base string) (l Letter, known bool) {
	words, known := letters[m.Kind]
	if !known {
		return l, false
	}
	l = words(m)
	l.Subject = m.Place + ": " + l.Subject
	switch {
	case m.Token == "":
	case m.Kind == chat.MailReset:
		l.Link = base + ResetPath + url.PathEscape(m.Token)
	case m.Kind == chat.MailConfirm:
		l.Link = base + ConfirmPath + url.PathEscape(m.Token)
	}
	return l, true
}

// letters has the words for each kind of mail. The username is named, not the display name, which a stranger can choose
// such that a mail says what they like.
var letters = map[chat.MailKind]func(chat.Mail) Letter{
	chat.MailReset: func(m chat.Mail) Letter {
		return Letter{
			Subject: "choose a new password",
			Paragraphs: []string{
				"Somebody asked for a new password for the account “" + m.User.Username + "”.",
				"To choose one, follow this link within an hour. It works once, and only the newest one does.",
			},
			Button: "Choose a new password",
			Footer: "If it wasn’t you, do nothing: the password stays as it is.",
		}
	},
	chat.MailConfirm: func(m chat.Mail) Letter {
		return Letter{
			Subject: "confirm your e-mail address",
			Paragraphs: []string{
				"The account “" + m.User.Username + "” wants to use this e-mail address.",
				"To confirm that it is yours, follow this link within a day.",
			},
			Button: "Confirm this address",
			Footer: "If it isn’t your account, do nothing: the address isn’t used then.",
		}
	},
	chat.MailEmailTaken: func(m chat.Mail) Letter {
		return Letter{
			Subject: "somebody gave your e-mail address",
			Paragraphs: []string{
				"Somebody gave this e-mail address for another account. It is that of your account “" + m.User.Username + "”.",
				"If it was you, you can use the account that you have: sign in with that username. An address belongs to one account only, so the other one goes without.",
			},
			Footer: "If it wasn’t you, do nothing: the address stays yours, and whoever it was isn’t told that you are here.",
		}
	},
	chat.MailPasswordChanged: notice("your password was changed",
		"Somebody who gave the present password chose a new one for ACCOUNT. Every other sign-in has ended.", tellAdmin),
	chat.MailPasswordReset: notice("your password was reset",
		"Somebody followed a link and chose a new password for ACCOUNT. Every sign-in has ended, and all access tokens are revoked. Second factors and passkeys stay.",
		"If it wasn’t you, tell an admin of this place now, and see whether somebody else reads your mail."),
	chat.MailPasswordSet: notice("an admin set your password",
		"An admin of this place gave ACCOUNT a new password. Every sign-in has ended, and all access tokens are revoked.",
		"If you didn’t ask for it, ask an admin of this place."),
	chat.MailEmailChanged: notice("your e-mail address was changed",
		"Mail for ACCOUNT no longer comes to this address: it has another one now, or none.", tellAdmin),
	chat.MailFactorAdded: notice("a second factor was added",
		"A passkey or an authenticator app was added to ACCOUNT. Whoever has it can use it to sign in.", changeNow),
	chat.MailFactorRemoved: notice("a second factor was removed",
		"A passkey or an authenticator app was removed from ACCOUNT.", changeNow),
	chat.MailFactorsReset: notice("your second factors were taken away",
		"An admin of this place took all second factors, passkeys among them, from ACCOUNT. Every sign-in has ended, and the password alone signs in now.",
		"If you didn’t ask for it, ask an admin of this place."),
	chat.MailCodesRenewed: notice("you have new recovery codes",
		"New recovery codes were made for ACCOUNT. Those from before are worth nothing now.", changeNow),
	chat.MailCodeUsed: notice("a recovery code was used",
		"Somebody signed in to ACCOUNT with the password and a recovery code. That code is used up.", changeNow),
	chat.MailCodesWrong: notice("somebody tries codes for your account",
		"Somebody gave the right password of ACCOUNT, and then ten wrong codes of its authenticator app. They haven’t got in by those. For some time a recovery code or a passkey signs you in, and the app only now and then.",
		changeNow),
	chat.MailTokenMade: notice("an access token was made",
		"An access token was made for ACCOUNT. The program that has it acts for you.", changeNow),
	chat.MailDeleted: func(m chat.Mail) Letter {
		return Letter{
			Subject:    "your account was deleted",
			Paragraphs: []string{"The account with this e-mail address was deleted, by somebody who gave its password.", whenAndWhere(m), "If it was you, all is well. This is the last mail."},
			Footer:     "If it wasn’t you, tell an admin of this place. A deleted account can’t be brought back.",
		}
	},
}

// notice is a mail that asks for nothing: it tells of what was done, and when, and what to do if it was somebody else.
// ACCOUNT stands for the account.
func notice(subject, what, ifNot string) func(chat.Mail) Letter {
	return func(m chat.Mail) Letter {
		told := strings.ReplaceAll(what, "ACCOUNT", "the account “"+m.User.Username+"”")
		return Letter{Subject: subject, Paragraphs: []string{told, whenAndWhere(m), "If it was you, all is well."}, Footer: ifNot}
	}
}

// whenAndWhere is in UTC, as nobody knows where the mail is read.
func whenAndWhere(m chat.Mail) string {
	text := "That was on " + m.QueuedAt.UTC().Format("2 January 2006 at 15:04 UTC")
	if m.IP != "" {
		text += ", from the address " + m.IP
	}
	return text + "."
}

const (
	changeNow = "If it wasn’t you, somebody else has your password: choose another now, look at your devices, second factors and access tokens, and tell an admin of this place."
	tellAdmin = "If it wasn’t you, tell an admin of this place now."
)

// Text is the letter for whoever reads plain text.
func (l Letter) Text() string {
	parts := append([]string{}, l.Paragraphs...)
	if l.Link != "" {
		parts = append(parts, l.Link)
	}
	return strings.Join(append(parts, l.Footer), "\n\n") + "\n"
}

// MailQueue is a part of the queue of mail.
type MailQueue struct {
	Viewing
	chat.MailList
	SMTP  bool   // mail goes out; otherwise it goes into the log
	Next  string // the URL of the next page, "" on the last
	Done  string // what was just done, as in the address
	Error string
}

var mailDone = map[string]string{"retried": "The mail is being tried again.", "dropped": "The mail was dropped. It won’t be sent."}

func (q MailQueue) doneText() string {
	if q.Error != "" {
		return ""
	}
	return mailDone[q.Done]
}

func (q MailQueue) summary() string {
	switch {
	case q.Stuck > 0:
		return fmt.Sprintf("%d waiting, %d stuck: nobody tries those any more until you say so. They are deleted after a month.", q.Waiting, q.Stuck)
	default:
		return fmt.Sprintf("%d waiting, none stuck.", q.Waiting)
	}
}

// mailKinds say what mail is about.
var mailKinds = map[chat.MailKind]string{
	chat.MailReset: "New password", chat.MailConfirm: "Confirm the address", chat.MailPasswordChanged: "Password was changed",
	chat.MailEmailChanged: "Address was changed", chat.MailEmailTaken: "Address is taken", "asked": "New password",
	chat.MailPasswordReset: "Password was reset", chat.MailPasswordSet: "Password was set", chat.MailFactorAdded: "Factor was added",
	chat.MailFactorRemoved: "Factor was removed", chat.MailFactorsReset: "Factors were reset", chat.MailCodesRenewed: "New recovery codes",
	chat.MailCodeUsed: "Recovery code was used", chat.MailCodesWrong: "Codes are being tried", chat.MailTokenMade: "Token was made",
	chat.MailDeleted: "Account was deleted",
}

func mailKindOf(kind chat.MailKind) string { return or(mailKinds[kind], string(kind)) }

func mailURL(m chat.QueuedMail, action string) string {
	return fmt.Sprintf("%s/%d/%s", adminMailURL, m.ID, action)
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

func (q MailQueue) beingSent(m chat.QueuedMail) bool { return m.LeasedUntil.After(q.Now) }
