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
	chat.MailPasswordChanged: func(m chat.Mail) Letter {
		return Letter{
			Subject: "your password was changed",
			Paragraphs: []string{
				"Somebody chose a new password for the account “" + m.User.Username + "”, by a link or with the password so far. Every other sign-in has ended.",
				"If it was you, all is well.",
			},
			Footer: "If it wasn’t you, tell an admin of this place now, and see whether somebody else reads your mail.",
		}
	},
	chat.MailEmailChanged: func(m chat.Mail) Letter {
		return Letter{
			Subject: "your e-mail address was changed",
			Paragraphs: []string{
				"The account “" + m.User.Username + "” has another e-mail address now. Mail no longer comes to this one.",
				"If it was you, all is well.",
			},
			Footer: "If it wasn’t you, tell an admin of this place now.",
		}
	},
	chat.MailEmailTaken: func(m chat.Mail) Letter {
		return Letter{
			Subject: "somebody signed up with your e-mail address",
			Paragraphs: []string{
				"Somebody made a new account and gave this e-mail address, which is that of your account “" + m.User.Username + "”.",
				"If it was you, you can use the account that you have: sign in with that username. An address belongs to one account only, so the new one goes without.",
			},
			Footer: "If it wasn’t you, do nothing: the address stays yours, and whoever it was isn’t told that you are here.",
		}
	},
}

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
