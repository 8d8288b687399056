package views

import (
	"maps"
	"slices"

	"parley/db/chat"
)

// auditActions are all that the log can be searched for.
func auditActions() []chat.AuditAction { return slices.Sorted(maps.Keys(auditWords)) }

// auditLabel is an action by itself.
func auditLabel(action chat.AuditAction) string {
	words := auditWordsOf(action)
	if words[1] == "" {
		return words[0]
	}
	return words[0] + " … " + words[1]
}

// auditVerb are the words after who acted.
func auditVerb(e chat.AuditEvent) string {
	if e.Action == chat.AuditSignInFailed && e.Subject == "" {
		return "failed to sign in" // by a name that nobody has
	}
	if e.Action == chat.AuditExported && e.Subject != "" {
		return "exported what the audit log has of"
	}
	return auditWordsOf(e.Action)[0]
}

// onlySelf are actions that nobody else can do to somebody: they are named once.
var onlySelf = map[chat.AuditAction]bool{chat.AuditSignIn: true, chat.AuditSignOut: true, chat.AuditSetUp: true, chat.AuditSignUp: true, chat.AuditInvite: true}

func bySelf(e chat.AuditEvent) bool { return onlySelf[e.Action] && e.Actor == e.Subject }

// activityWords tell somebody what was done, after who did it.
var activityWords = map[chat.AuditAction]string{
	chat.AuditCreate:       "made your account",
	chat.AuditEdit:         "changed your account",
	chat.AuditPromote:      "made you an admin",
	chat.AuditDemote:       "took your admin’s rights",
	chat.AuditSetPassword:  "set a new password for you",
	chat.AuditDisable:      "disabled your account",
	chat.AuditEnable:       "enabled your account",
	chat.AuditEndSessions:  "ended all your sessions",
	chat.AuditOpenBody:     "opened the text of your message",
	chat.AuditSignIn:       "signed in",
	chat.AuditSignInFailed: "tried to sign in as you, and failed",
	chat.AuditSignOut:      "signed out",
	chat.AuditExported:     "exported what the audit log has of you",

	chat.AuditChangePassword: "chose a new password",
	chat.AuditChangeEmail:    "changed your e-mail address",
	chat.AuditWantEmail:      "asked for another e-mail address, which waits to be confirmed",
	chat.AuditWrongPassword:  "gave a wrong password to change your account",
	chat.AuditEndSession:     "ended one of your sessions",
	chat.AuditEndOthers:      "ended all your other sessions",

	chat.AuditAddFactor:       "added a second factor to your account",
	chat.AuditRemoveFactor:    "removed a second factor from your account",
	chat.AuditUseFactor:       "gave your second factor",
	chat.AuditUseRecoveryCode: "used up one of your recovery codes",
	chat.AuditFailFactor:      "gave a wrong second factor for you",
	chat.AuditRenewCodes:      "made new recovery codes for you",
	chat.AuditResetFactors:    "removed all your second factors",

	chat.AuditAskReset:      "asked for a link to choose a new password for you by",
	chat.AuditMakeResetLink: "made a link to choose a new password for you by",
	chat.AuditResetPassword: "chose a new password for you by a link",
	chat.AuditConfirmEmail:  "confirmed your e-mail address",
	chat.AuditRetryMail:     "had a mail to you tried again",
	chat.AuditDropMail:      "dropped a mail to you",

	chat.AuditSetUp:     "set up this place as its first admin",
	chat.AuditSignUp:    "signed up",
	chat.AuditInvite:    "made an invitation",
	chat.AuditUseInvite: "used an invitation of yours",
	chat.AuditUninvite:  "revoked an invitation of yours",

	chat.AuditEditProfile: "changed your profile",
	chat.AuditSetPhoto:    "set your photo",
	chat.AuditRemovePhoto: "removed your photo",
	chat.AuditExportOwn:   "downloaded all your data",
	chat.AuditDeleteOwn:   "deleted your account",
	chat.AuditErasedOwn:   "erased what you wrote",

	chat.AuditCreateToken: "made an access token for you",
	chat.AuditRevokeToken: "revoked one of your access tokens",
}

// activityWordsOf makes do with the admins' words where there are no others.
func activityWordsOf(action chat.AuditAction) string {
	if words, known := activityWords[action]; known {
		return words
	}
	words := auditWordsOf(action)
	return words[0] + " you " + words[1]
}

// whoActed is how somebody reads who it was.
func whoActed(v Viewing, e chat.AuditEvent) string {
	switch e.Actor {
	case "":
		return "Somebody"
	case v.Viewer.Username:
		return "You"
	}
	return e.Actor
}
