package chat

import (
	"context"
	"database/sql"
	"math"
	"strconv"
	"time"

	"parley/queries"
)

// AuditAction says what was done.
type AuditAction string

// The actions in the audit log.
const (
	AuditCreate      AuditAction = "user.create"
	AuditEdit        AuditAction = "user.edit" // display name or e-mail address
	AuditPromote     AuditAction = "user.promote"
	AuditDemote      AuditAction = "user.demote"
	AuditSetPassword AuditAction = "user.set_password"
	AuditDisable     AuditAction = "user.disable"
	AuditEnable      AuditAction = "user.enable"
	AuditEndSessions AuditAction = "user.end_sessions"
	AuditOpenBody    AuditAction = "message.open_body"
	AuditSetPlace    AuditAction = "place.set"
	AuditSetUp       AuditAction = "place.set_up"
	AuditSignUp      AuditAction = "user.sign_up"
	AuditInvite      AuditAction = "invitation.create"
	AuditUseInvite   AuditAction = "invitation.use" // whose it was is the subject
	AuditUninvite    AuditAction = "invitation.revoke"

	AuditChangePassword AuditAction = "own.password" // what somebody did to their own account, from here on
	AuditChangeEmail    AuditAction = "own.email"
	AuditWantEmail      AuditAction = "own.want_email" // another is theirs once it is confirmed
	AuditWrongPassword  AuditAction = "own.wrong_password"
	AuditEndSession     AuditAction = "own.end_session"
	AuditEndOthers      AuditAction = "own.end_other_sessions"

	AuditAddFactor       AuditAction = "factor.add"
	AuditRemoveFactor    AuditAction = "factor.remove"
	AuditUseFactor       AuditAction = "factor.use"
	AuditUseRecoveryCode AuditAction = "factor.use_recovery_code"
	AuditFailFactor      AuditAction = "factor.fail" // a wrong code, or a passkey's answer that doesn't hold
	AuditRenewCodes      AuditAction = "factor.renew_codes"
	AuditResetFactors    AuditAction = "factor.reset"

	AuditAskReset      AuditAction = "user.ask_reset" // somebody did, by the e-mail address
	AuditMakeResetLink AuditAction = "user.make_reset_link"
	AuditResetPassword AuditAction = "user.reset_password" // by a link
	AuditConfirmEmail  AuditAction = "user.confirm_email"
	AuditRetryMail     AuditAction = "mail.retry"
	AuditDropMail      AuditAction = "mail.drop"

	AuditSignIn       AuditAction = "session.sign_in"
	AuditSignInFailed AuditAction = "session.sign_in_failed"
	AuditSignOut      AuditAction = "session.sign_out"
	AuditReport       AuditAction = "report.create" // of a message, to the admins
	AuditCloseReport  AuditAction = "report.close"
	AuditExported     AuditAction = "audit.export"

	AuditCreateToken AuditAction = "token.create"
	AuditRevokeToken AuditAction = "token.revoke"

	AuditEditProfile AuditAction = "own.edit" // display name, about or time zone
	AuditSetPhoto    AuditAction = "own.set_photo"
	AuditRemovePhoto AuditAction = "own.remove_photo"
	AuditExportOwn   AuditAction = "own.export"
	AuditDeleteOwn   AuditAction = "own.delete"
	AuditErasedOwn   AuditAction = "own.erased" // what was asked for with the deletion is done
)

// AuditEvent is one line of the audit log: who did what to whom. It is written in the transaction of what it tells of,
// so there is neither one without the other; what changes nothing, such as a sign-in that fails, is written by itself.
type AuditEvent struct {
	ID      uint64
	At      time.Time
	Actor   string // a username, "" where nobody is known to have acted
	Action  AuditAction
	Subject string    // the username of the person that it was done to; for a message whoever wrote it
	Message MessageID // zero unless the action is about a message
	Detail  string    // what the names don't say, such as the name that was tried; at most 255 characters
	IP      string    // where the actor was
}

func auditEventOf(row queries.FoundAuditEvent) AuditEvent {
	e := row.AuditEvent
	return AuditEvent{
		ID: e.ID, At: e.CreatedAt, Actor: row.Actor, Action: AuditAction(e.Action), Subject: row.Subject, Detail: e.Detail, IP: e.Ip,
		Message: MessageID{uint64(e.ConversationID.Int64), uint64(e.Seq.Int64)},
	}
}

// log writes what the actor does to a person. Log it last: an event's ID then comes from inside the admins' lock, in
// the order of the commits.
func (t adminTx) log(ctx context.Context, action AuditAction, subject uint64) error {
	return t.logMessage(ctx, action, subject, MessageID{})
}

func (t adminTx) logMessage(ctx context.Context, action AuditAction, subject uint64, id MessageID) error {
	return record(ctx, t.q, t.at, t.actor, deed{action: action, subject: subject, message: id})
}

// deed is what an audit event says besides who, when and where.
type deed struct {
	action  AuditAction
	subject uint64 // 0: nobody
	message MessageID
	detail  string
}

// record writes a line of the audit log. An actor without a user is nobody known.
func record(ctx context.Context, q *queries.Queries, at time.Time, actor Actor, d deed) error {
	return q.CreateAuditEvent(ctx, queries.CreateAuditEventParams{
		CreatedAt: at, ActorID: actor.User.ID, Action: string(d.action), SubjectID: nullID(d.subject),
		ConversationID: nullID(d.message.Conversation), Seq: nullID(d.message.Seq),
		Detail: truncate(d.detail, 255), Ip: truncate(actor.IP, 45),
	})
}

func nullID(id uint64) sql.NullInt64 { return sql.NullInt64{Int64: int64(id), Valid: id != 0} }

// defaultAuditEvents is about two screens.
const defaultAuditEvents = 50

// AuditEvents lists what was done, newest first, from a cursor on ("" for the newest). A limit of 0 is the default.
func (s *Store) AuditEvents(ctx context.Context, actor Actor, after string, limit int) (Page[AuditEvent], error) {
	return s.SearchAudit(ctx, actor, AuditQuery{After: after, Limit: limit})
}

func numberCursor(n uint64) string { return encodeCursor(strconv.FormatUint(n, 10)) }

func auditCursor(cursor string) (before uint64, err error) {
	if cursor == "" {
		return math.MaxInt64, nil // above every ID
	}
	plain, err := decodeCursor(cursor)
	if err != nil {
		return 0, err
	}
	before, err = strconv.ParseUint(plain, 10, 63)
	if err != nil {
		return 0, badCursor("after")
	}
	return before, nil
}
