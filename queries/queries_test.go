package queries_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"parley/db/dbtest"
	"parley/queries"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// What the queries below find: two people, the first of them an admin with a session and a line in the audit log, and
// one message from the first to the second.
var (
	now  = time.Date(2026, 11, 23, 10, 0, 0, 123456000, time.UTC)
	soon = now.Add(time.Hour)
	past = now.Add(-time.Hour)
	key  = []byte("0123456789abcdef")
	hash = []byte("0123456789abcdef0123456789abcdef")
	pair = queries.ConversationOfParams{UserLo: 1, UserHi: 2}
)

func user(name string) queries.CreateUserParams {
	return queries.CreateUserParams{
		Username: name, UsernameKey: []byte(name), DisplayName: name, SearchKey: []byte(name), Email: text(name), EmailKey: text(name),
		PasswordHash: "none", IsAdmin: name == "ada", CreatedAt: now,
	}
}

func message(seq uint64) queries.Message {
	return queries.Message{ConversationID: 1, Seq: seq, SenderID: 1, ClientKey: append([]byte{byte(seq)}, key[1:]...), Rev: seq, Body: "hi 🙂", CreatedAt: now}
}

func session(first byte) queries.CreateSessionParams {
	return queries.CreateSessionParams{IDHash: append([]byte{first}, hash[1:]...), UserID: 1, CreatedAt: now, SeenAt: now, ExpiresAt: soon, UserAgent: "x", Ip: "::1"}
}

func text(s string) sql.NullString            { return sql.NullString{String: s, Valid: true} }
func number(n int64) sql.NullInt64            { return sql.NullInt64{Int64: n, Valid: true} }
func moment(at time.Time) sql.NullTime        { return sql.NullTime{Time: at, Valid: true} }
func nothing(err error) (any, error)          { return true, err }
func some[T any](v T, err error) (any, error) { return v, err }

var audit = queries.CreateAuditEventParams{CreatedAt: now, ActorID: 1, Action: "x", SubjectID: number(2), ConversationID: number(1), Seq: number(1), Detail: "x", Ip: "::1"}

func seed(t *testing.T, q *queries.Queries) {
	t.Helper()
	for _, name := range []string{"CreateUser", "CreateConversations", "CreateMembers", "CreateMessages", "AdvanceConversations", "CreateSession", "CreateAuditEvent",
		"PutTOTP", "ConfirmTOTP", "CreateRecoveryCode", "CreatePasskey", "CreateSignIn", "PutCeremony"} {
		if _, err := seeds[name](t.Context(), q); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

type call func(ctx context.Context, q *queries.Queries) (any, error)

// seeds are made of the queries too, and so are run.
var seeds = map[string]call{
	"CreateUser": func(ctx context.Context, q *queries.Queries) (any, error) {
		if _, err := q.CreateUser(ctx, user("ada")); err != nil {
			return nil, err
		}
		return some(q.CreateUser(ctx, user("bob")))
	},
	"CreateConversations": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateConversations(ctx, []queries.Pair{{UserLo: 1, UserHi: 2}, {UserLo: 1, UserHi: 1}, {UserLo: 2, UserHi: 2}}))
	},
	"CreateMembers": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateMembers(ctx, []queries.Member{{UserID: 1, ConversationID: 1}, {UserID: 2, ConversationID: 1}}))
	},
	"CreateMessages": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateMessages(ctx, []queries.Message{message(1)}))
	},
	"AdvanceConversations": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.AdvanceConversations(ctx, []queries.Conversation{{ID: 1, UserLo: 1, UserHi: 2, LastSeq: 1, LastRev: 1, LastAt: moment(now)}}))
	},
	"CreateSession": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateSession(ctx, session(hash[0])))
	},
	"CreateAuditEvent": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateAuditEvent(ctx, audit))
	},
	"PutTOTP": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.PutTOTP(ctx, queries.PutTOTPParams{UserID: 1, Secret: key, CreatedAt: now}))
	},
	"ConfirmTOTP": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ConfirmTOTP(ctx, queries.ConfirmTOTPParams{LastStep: 7, UserID: 1}))
	},
	"CreateRecoveryCode": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateRecoveryCode(ctx, queries.CreateRecoveryCodeParams{UserID: 1, CodeHash: hash, CreatedAt: now}))
	},
	"CreatePasskey": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.CreatePasskey(ctx, queries.CreatePasskeyParams{UserID: 1, CredentialHash: hash, CredentialID: key, PublicKey: key, Handle: key, Name: "x", CreatedAt: now}))
	},
	"CreateSignIn": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateSignIn(ctx, queries.CreateSignInParams{IDHash: hash, UserID: 1, PasswordKey: hash, ExpiresAt: soon}))
	},
	"PutCeremony": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.PutCeremony(ctx, queries.PutCeremonyParams{Owner: hash, State: key, ExpiresAt: soon}))
	},
}

var (
	invitation    = queries.CreateInvitationParams{TokenHash: hash, CreatorID: 1, Note: "x", UsesAllowed: 1, CreatedAt: now, ExpiresAt: soon}
	invitationUse = queries.CreateInvitationUseParams{InvitationID: 1, UserID: 2, UsedAt: now}
)

// invited calls after an invitation was made.
func invited(f func(ctx context.Context, q *queries.Queries, id uint64) (any, error)) call {
	return func(ctx context.Context, q *queries.Queries) (any, error) {
		id, err := q.CreateInvitation(ctx, invitation)
		if err != nil {
			return nil, err
		}
		return f(ctx, q, uint64(id))
	}
}

var calls = map[string]call{
	"AdminMessage": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.AdminMessage(ctx, queries.AdminMessageParams{ConversationID: 1, Seq: 1}))
	},
	"AdminMessages": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.AdminMessages(ctx, queries.AdminMessagesParams{Since: past, BeforeAt: soon, BeforeConversation: 9, BeforeSeq: 9, Person: 2, Pattern: "%HI%", Limit: 1}))
	},
	"AdminMessagesOfPerson": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.AdminMessagesOfPerson(ctx, queries.AdminMessagesOfPersonParams{Since: past, BeforeAt: soon, BeforeConversation: 9, BeforeSeq: 9, Person: 2, Pattern: "%HI%", Limit: 1}))
	},
	"MessageTimeBack": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.MessageTimeBack(ctx, queries.MessageTimeBackParams{Since: past, BeforeAt: soon, BeforeConversation: 9, BeforeSeq: 9}))
	},
	"PersonReach": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.PersonReach(ctx, 2)) },
	"SearchAuditEvents": func(ctx context.Context, q *queries.Queries) (any, error) {
		for _, narrow := range []queries.AuditSearch{
			{}, {Actor: 1}, {Subject: 2}, {Action: "x"}, {Actor: 1, Action: "x"}, {Subject: 2, Action: "x", From: past, To: soon, Without: []string{"y", "z"}},
		} {
			narrow.BeforeID, narrow.Limit = 99, 1
			if found, err := q.SearchAuditEvents(ctx, narrow); err != nil || len(found) != 1 || found[0].Actor != "ada" || found[0].Subject != "bob" {
				return nil, fmt.Errorf("%+v finds %+v: %w", narrow, found, err)
			}
		}
		for _, nobody := range []queries.AuditSearch{
			{BeforeID: 99, Without: []string{"x"}}, {Actor: 7}, {Subject: 7}, {Action: "none"}, {Actor: 7, Action: "x"}, {Subject: 7, Action: "x"},
		} {
			nobody.BeforeID, nobody.Limit = cmp.Or(nobody.BeforeID, math.MaxInt64), 1
			if found, err := q.SearchAuditEvents(ctx, nobody); err != nil || len(found) != 0 {
				return nil, fmt.Errorf("%+v finds %+v: %w", nobody, found, err)
			}
		}
		return true, nil
	},
	"PutAuditEvent": func(ctx context.Context, q *queries.Queries) (any, error) {
		put := queries.PutAuditEventParams{CreatedAt: now, Action: "y", SubjectID: number(2), Detail: "first", Ip: "::1"}
		id, err := q.PutAuditEvent(ctx, put)
		if err != nil {
			return nil, err
		}
		put.ID, put.Detail = number(id), "second"
		if _, err := q.PutAuditEvent(ctx, put); err != nil {
			return nil, err
		}
		found, err := q.SearchAuditEvents(ctx, queries.AuditSearch{Action: "y", BeforeID: 99, Limit: 9})
		return len(found) == 1 && found[0].Detail == "second" && found[0].ID == uint64(id), err
	},
	"AuditTimeFrom":   func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.AuditTimeFrom(ctx, past)) },
	"AuditTimeBefore": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.AuditTimeBefore(ctx, soon)) },
	"AuditIDsBetween": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.AuditIDsBetween(ctx, queries.AuditIDsBetweenParams{Since: past, Upto: soon}))
	},
	"DeleteAuditEvents": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.DeleteAuditEvents(ctx, queries.DeleteAuditEventsParams{CreatedAt: soon, Limit: 1}))
	},
	"CreateReport": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.CreateReport(ctx, report)) },
	"OpenReportOf": func(ctx context.Context, q *queries.Queries) (any, error) {
		return reported(ctx, q, func(uint64) (any, error) {
			return some(q.OpenReportOf(ctx, queries.OpenReportOfParams{ReporterID: 2, ConversationID: 1, Seq: 1}))
		})
	},
	"ReportByID": func(ctx context.Context, q *queries.Queries) (any, error) {
		return reported(ctx, q, func(id uint64) (any, error) { return some(q.ReportByID(ctx, id)) })
	},
	"ReportBody": func(ctx context.Context, q *queries.Queries) (any, error) {
		return reported(ctx, q, func(id uint64) (any, error) { return some(q.ReportBody(ctx, id)) })
	},
	"LockReport": func(ctx context.Context, q *queries.Queries) (any, error) {
		return reported(ctx, q, func(id uint64) (any, error) { return some(q.LockReport(ctx, id)) })
	},
	"ListOpenReports": func(ctx context.Context, q *queries.Queries) (any, error) {
		return reported(ctx, q, func(uint64) (any, error) {
			return some(q.ListOpenReports(ctx, queries.ListOpenReportsParams{BeforeID: math.MaxInt64, Limit: 1}))
		})
	},
	"ListReportsOf": func(ctx context.Context, q *queries.Queries) (any, error) {
		return reported(ctx, q, func(uint64) (any, error) {
			return some(q.ListReportsOf(ctx, queries.ListReportsOfParams{ReporterID: 2, BeforeID: math.MaxInt64, Limit: 1}))
		})
	},
	"CountOpenReports": func(ctx context.Context, q *queries.Queries) (any, error) {
		return reported(ctx, q, func(uint64) (any, error) { return some(q.CountOpenReports(ctx, 9)) })
	},
	"CloseReport": func(ctx context.Context, q *queries.Queries) (any, error) {
		return reported(ctx, q, func(id uint64) (any, error) { return nothing(q.CloseReport(ctx, closing(id))) })
	},
	"ListClosedReports": func(ctx context.Context, q *queries.Queries) (any, error) {
		return reported(ctx, q, func(id uint64) (any, error) {
			if err := q.CloseReport(ctx, closing(id)); err != nil {
				return nil, err
			}
			return some(q.ListClosedReports(ctx, queries.ListClosedReportsParams{BeforeID: math.MaxInt64, Limit: 1}))
		})
	},
	"ConversationByID": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ConversationByID(ctx, queries.ConversationByIDParams{Viewer: 2, ID: 1}))
	},
	"ConversationOf": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.ConversationOf(ctx, pair)) },
	"ConversationWith": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ConversationWith(ctx, queries.ConversationWithParams{Viewer: 2, UsernameKey: []byte("ada")}))
	},
	"ListConversations": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ListConversations(ctx, queries.ListConversationsParams{Viewer: 2, BeforeAt: soon, Limit: 1}))
	},
	"LockConversations": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.LockConversations(ctx, []queries.Pair{{UserLo: 1, UserHi: 2}, {UserLo: 7, UserHi: 8}, {UserLo: 1, UserHi: 1}}))
	},
	"MessagesByClientKeys": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.MessagesByClientKeys(ctx, []queries.MessageByClientKeyParams{{ConversationID: 1, SenderID: 1, ClientKey: message(1).ClientKey}, {ConversationID: 1, SenderID: 1, ClientKey: message(2).ClientKey}}))
	},
	"CreateUsers": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateUsers(ctx, []queries.CreateUserParams{user("ada"), user("cem")}))
	},
	"Standings": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.Standings(ctx, []queries.Member{{UserID: 2, ConversationID: 1}, {UserID: 3, ConversationID: 1}, {UserID: 1, ConversationID: 9}}))
	},
	"UsersByKey": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.UsersByKey(ctx, [][]byte{[]byte("ada"), []byte("nobody")}))
	},
	"SetPasswords": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.SetPasswords(ctx, queries.SetPasswordsParams{PasswordHash: "x", Ids: []uint64{1, 2}}))
	},
	"SessionTimeBack": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.SessionTimeBack(ctx, latest))
	},
	"ListUserSessions": func(ctx context.Context, q *queries.Queries) (any, error) {
		since, err := q.SessionTimeBack(ctx, latest)
		if err != nil {
			return nil, err
		}
		return some(q.ListUserSessions(ctx, queries.ListUserSessionsParams{UserID: 1, Now: now, MadeAfter: past, Since: since, Before: latest.Before, BeforeName: []byte("f"), Limit: 5}))
	},
	"UserSessionByName": func(ctx context.Context, q *queries.Queries) (any, error) {
		sum := sha256.Sum256(hash)
		return some(q.UserSessionByName(ctx, queries.UserSessionByNameParams{UserID: 1, Now: now, MadeAfter: past, Name: []byte(hex.EncodeToString(sum[:16]))}))
	},
	"OtherSessions": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.OtherSessions(ctx, queries.OtherSessionsParams{UserID: 1, But: key, Limit: 5}))
	},
	"DeleteOtherSessions": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.DeleteOtherSessions(ctx, queries.DeleteOtherSessionsParams{UserID: 1, But: key}))
	},
	"MoveSession": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.MoveSession(ctx, queries.MoveSessionParams{NewHash: append([]byte{'x'}, hash[1:]...), OldHash: hash, UserID: 1}))
	},
	"ReplacePassword": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ReplacePassword(ctx, queries.ReplacePasswordParams{Hash: "other", ID: 1, Was: "none"}))
	},
	"DeleteSessionsOf": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.DeleteSessionsOf(ctx, []uint64{1, 2}))
	},
	"MarkRead": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.MarkRead(ctx, queries.MarkReadParams{Seq: 1, UserID: 2, ConversationID: 1}))
	},
	"MessageByClientKey": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.MessageByClientKey(ctx, queries.MessageByClientKeyParams{ConversationID: 1, SenderID: 1, ClientKey: message(1).ClientKey}))
	},
	"CountUnread": func(ctx context.Context, q *queries.Queries) (any, error) {
		counts, err := q.CountUnread(ctx, 2, []queries.Above{{ConversationID: 1, Seq: 0, UpTo: 1}, {ConversationID: 2, Seq: 0, UpTo: 9}, {ConversationID: 3, Seq: 0, UpTo: 9}})
		return counts[1] == 1 && len(counts) == 1, err
	},
	"MessageBySeq": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.MessageBySeq(ctx, queries.MessageBySeqParams{ConversationID: 1, Seq: 1}))
	},
	"MessagesAfter": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.MessagesAfter(ctx, queries.MessagesAfterParams{ConversationID: 1, Limit: 1}))
	},
	"MessagesBefore": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.MessagesBefore(ctx, queries.MessagesBeforeParams{ConversationID: 1, Seq: 2, Limit: 1}))
	},
	"MessagesSinceRev": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.MessagesSinceRev(ctx, queries.MessagesSinceRevParams{ConversationID: 1, Limit: 1}))
	},
	"CountUserSessions": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.CountUserSessions(ctx, queries.CountUserSessionsParams{UserID: 1, Now: now, MadeAfter: past, Limit: 9}))
	},
	"DeleteExpiredSessions": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.DeleteExpiredSessions(ctx, soon))
	},
	"DeleteSession":      func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.DeleteSession(ctx, hash)) },
	"DeleteUserSessions": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.DeleteUserSessions(ctx, 1)) },
	"SessionsByHash": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.SessionsByHash(ctx, queries.SessionsByHashParams{Hashes: [][]byte{hash, key}, Now: now, MadeAfter: past}))
	},
	"TouchSession": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.TouchSession(ctx, queries.TouchSessionParams{SeenAt: soon, ExpiresAt: soon, IDHash: hash, SeenUntil: now}))
	},
	"AnyUser": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.AnyUser(ctx)) },
	"ListAllUsers": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ListAllUsers(ctx, queries.ListAllUsersParams{After: []byte{}, Pattern: []byte("%none%"), EmailKey: text("bob"), Limit: 1}))
	},
	"ListUsers": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ListUsers(ctx, queries.ListUsersParams{After: []byte{}, Pattern: []byte("%a%"), Viewer: 2, Limit: 1}))
	},
	"LockActiveAdmins": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.LockActiveAdmins(ctx)) },
	"LockUser": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.LockUser(ctx, []byte("ada")))
	},
	"LockUserByID": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.LockUserByID(ctx, 1)) },
	"QueueMail":    func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.QueueMail(ctx, queued)) },
	"LockMailbox": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.LockMailbox(ctx, queries.LockMailboxParams{AddressHash: hash, FreeAt: now}))
	},
	"MailboxFree": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.LockMailbox(ctx, queries.LockMailboxParams{AddressHash: hash, FreeAt: now}); err != nil {
			return nil, err
		}
		return some(q.MailboxFree(ctx, hash))
	},
	"FillMailbox": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.FillMailbox(ctx, queries.FillMailboxParams{FreeAt: soon, AddressHash: hash}))
	},
	"DeleteFreeMailboxes": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.LockMailbox(ctx, queries.LockMailboxParams{AddressHash: hash, FreeAt: now}); err != nil {
			return nil, err
		}
		return some(q.DeleteFreeMailboxes(ctx, soon))
	},
	"DueMails": withMail(func(ctx context.Context, q *queries.Queries, _ uint64) (any, error) {
		return some(q.DueMails(ctx, queries.DueMailsParams{DueUntil: moment(now), Now: moment(now), Limit: 1}))
	}),
	"ClaimMail": withMail(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return some(q.ClaimMail(ctx, claim(id)))
	}),
	"LockClaimedMail": withMail(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		if _, err := q.ClaimMail(ctx, claim(id)); err != nil {
			return nil, err
		}
		return some(q.LockClaimedMail(ctx, queries.LockClaimedMailParams{ID: id, Lease: moment(soon)}))
	}),
	"ResolveMail": withMail(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return nothing(q.ResolveMail(ctx, queries.ResolveMailParams{Kind: "y", UserID: 1, Email: "ada", ID: id}))
	}),
	"DeleteClaimedMail": withMail(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		if _, err := q.ClaimMail(ctx, claim(id)); err != nil {
			return nil, err
		}
		return some(q.DeleteClaimedMail(ctx, queries.DeleteClaimedMailParams{ID: id, Lease: moment(soon)}))
	}),
	"PostponeMail": withMail(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		if _, err := q.ClaimMail(ctx, claim(id)); err != nil {
			return nil, err
		}
		return some(q.PostponeMail(ctx, queries.PostponeMailParams{DueAt: moment(soon), Error: "x", ID: id, Lease: moment(soon)}))
	}),
	"LockMail": withMail(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return some(q.LockMail(ctx, id))
	}),
	"RetryMail": withMail(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return nothing(q.RetryMail(ctx, queries.RetryMailParams{DueAt: moment(now), ID: id}))
	}),
	"DeleteMail": withMail(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return nothing(q.DeleteMail(ctx, id))
	}),
	"ListMails": withMail(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return some(q.ListMails(ctx, queries.ListMailsParams{BeforeID: id + 1, Limit: 1}))
	}),
	"CountMails": withMail(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) { return some(q.CountMails(ctx)) }),
	"DeleteOldMails": withMail(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		if err := q.RetryMail(ctx, queries.RetryMailParams{ID: id}); err != nil {
			return nil, err
		}
		return some(q.DeleteOldMails(ctx, now))
	}),
	"PutLink":    func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.PutLink(ctx, link)) },
	"LinkByHash": withLink(func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.LinkByHash(ctx, hash)) }),
	"LinkOf": withLink(func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.LinkOf(ctx, queries.LinkOfParams{UserID: 1, Kind: "x"}))
	}),
	"DeleteLink": withLink(func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.DeleteLink(ctx, queries.DeleteLinkParams{UserID: 1, Kind: "x"}))
	}),
	"DeleteExpiredLinks": withLink(func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.DeleteExpiredLinks(ctx, soon))
	}),
	"UserByEmail": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.UserByEmail(ctx, text("bob")))
	},
	"ReleaseEmail": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.ReleaseEmail(ctx, queries.ReleaseEmailParams{EmailKey: text("ada"), Owner: 2}))
	},
	"SetEmailConfirmed": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.SetEmailConfirmed(ctx, queries.SetEmailConfirmedParams{EmailConfirmedAt: moment(now), ID: 1}))
	},
	"CreateInvitation": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.CreateInvitation(ctx, invitation))
	},
	"InvitationByToken": invited(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return some(q.InvitationByToken(ctx, hash))
	}),
	"UseInvitation": invited(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return some(q.UseInvitation(ctx, queries.UseInvitationParams{ID: id, Now: now}))
	}),
	"CreateInvitationUse": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateInvitationUse(ctx, invitationUse))
	},
	"CountOpenInvitations": invited(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return some(q.CountOpenInvitations(ctx, queries.CountOpenInvitationsParams{CreatorID: 1, Now: now}))
	}),
	"ListInvitations": invited(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return some(q.ListInvitations(ctx, queries.ListInvitationsParams{CreatorID: 1, BeforeID: math.MaxInt64, Limit: 1}))
	}),
	"ListAllInvitations": invited(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return some(q.ListAllInvitations(ctx, queries.ListAllInvitationsParams{BeforeID: math.MaxInt64, Limit: 1}))
	}),
	"ListInvitationUses": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.CreateInvitationUse(ctx, invitationUse); err != nil {
			return nil, err
		}
		return some(q.ListInvitationUses(ctx, []uint64{1, 2}))
	},
	"LockInvitation": invited(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return some(q.LockInvitation(ctx, id))
	}),
	"RevokeInvitation": invited(func(ctx context.Context, q *queries.Queries, id uint64) (any, error) {
		return nothing(q.RevokeInvitation(ctx, queries.RevokeInvitationParams{RevokedAt: moment(now), ID: id}))
	}),
	"PutSetupLink": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.PutSetupLink(ctx, queries.PutSetupLinkParams{TokenHash: hash, CreatedAt: now}))
	},
	"SetupLinkOpen": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.PutSetupLink(ctx, queries.PutSetupLinkParams{TokenHash: hash, CreatedAt: now}); err != nil {
			return nil, err
		}
		if open, err := q.SetupLinkOpen(ctx, hash); err != nil || open {
			return nil, errors.Join(err, errors.New("there is an admin")) // ada
		}
		if err := q.SetDisabled(ctx, queries.SetDisabledParams{DisabledAt: moment(now), ID: 1}); err != nil {
			return nil, err
		}
		return some(q.SetupLinkOpen(ctx, hash))
	},
	"TakeSetupLink": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.PutSetupLink(ctx, queries.PutSetupLinkParams{TokenHash: hash, CreatedAt: now}); err != nil {
			return nil, err
		}
		return some(q.TakeSetupLink(ctx, hash))
	},
	"DropSetupLinks": func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.DropSetupLinks(ctx)) },
	"CreateSkeleton": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateSkeleton(ctx, queries.CreateSkeletonParams{SkeletonKey: []byte("ada"), UserID: 1}))
	},
	"CreateSkeletons": func(ctx context.Context, q *queries.Queries) (any, error) {
		one := queries.Skeleton{SkeletonKey: []byte("ada"), UserID: 1}
		return nothing(q.CreateSkeletons(ctx, []queries.Skeleton{one, one, {SkeletonKey: one.SkeletonKey, UserID: 2}}))
	},
	"UserBySkeleton": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.CreateSkeleton(ctx, queries.CreateSkeletonParams{SkeletonKey: []byte("ada"), UserID: 1}); err != nil {
			return nil, err
		}
		return some(q.UserBySkeleton(ctx, []byte("ada")))
	},
	"ListWithoutSkeleton": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ListWithoutSkeleton(ctx, queries.ListWithoutSkeletonParams{Limit: 1}))
	},
	"PutSetting": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.PutSetting(ctx, queries.PutSettingParams{Name: "name", Value: "x"}))
	},
	"ListSettings": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.PutSetting(ctx, queries.PutSettingParams{Name: "name", Value: "x"}); err != nil {
			return nil, err
		}
		return some(q.ListSettings(ctx))
	},
	"SetDisabled": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.SetDisabled(ctx, queries.SetDisabledParams{DisabledAt: moment(now), ID: 1}))
	},
	"SetPassword": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.SetPassword(ctx, queries.SetPasswordParams{PasswordHash: "x", ID: 1}))
	},
	"TouchUser": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.TouchUser(ctx, queries.TouchUserParams{LastSeenAt: moment(now), ID: 1}))
	},
	"UpdateUser": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.UpdateUser(ctx, queries.UpdateUserParams{DisplayName: "x", SearchKey: []byte("x"), ID: 1}))
	},
	"CreateBlock": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.CreateBlock(ctx, block)) },
	"DeleteBlock": func(ctx context.Context, q *queries.Queries) (any, error) {
		return blocked(q.DeleteBlock)(ctx, q, queries.DeleteBlockParams{UserID: 1, BlockedID: 2})
	},
	"SetBlocked": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.SetBlocked(ctx, queries.SetBlockedParams{Blocked: 1, ID: 1}))
	},
	"ListBlocks": func(ctx context.Context, q *queries.Queries) (any, error) {
		return blocked(q.ListBlocks)(ctx, q, queries.ListBlocksParams{UserID: 1, BeforeAt: soon, BeforeID: 0, Limit: 1})
	},
	"VerifyBlocks": func(ctx context.Context, q *queries.Queries) (any, error) {
		return blocked(q.VerifyBlocks)(ctx, q, queries.VerifyBlocksParams{AfterUser: 1, AfterBlocked: 1, Limit: 1})
	},
	"RepairBlock": func(ctx context.Context, q *queries.Queries) (any, error) {
		if _, err := q.CreateBlock(ctx, queries.CreateBlockParams{UserID: 1, BlockedID: 99, CreatedAt: now}); err != nil {
			return nil, err
		}
		return some(q.RepairBlock(ctx, queries.RepairBlockParams{UserID: 1, BlockedID: 99}))
	},
	"Leftovers": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.CreateSession(ctx, strangersSession); err != nil {
			return nil, err
		}
		return some(q.Leftovers(ctx, "sessions", 1, 1))
	},
	"DeleteLeftovers": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.CreateSession(ctx, strangersSession); err != nil {
			return nil, err
		}
		return some(q.DeleteLeftovers(ctx, "sessions", 99))
	},
	"VerifySkeletons": func(ctx context.Context, q *queries.Queries) (any, error) {
		return skeletal(ctx, q, func() (any, error) {
			return some(q.VerifySkeletons(ctx, queries.VerifySkeletonsParams{Limit: 1}))
		})
	},
	"SkeletonOwner": func(ctx context.Context, q *queries.Queries) (any, error) {
		return skeletal(ctx, q, func() (any, error) { return some(q.SkeletonOwner(ctx, []byte("ada"))) })
	},
	"RepairSkeleton": func(ctx context.Context, q *queries.Queries) (any, error) {
		return skeletal(ctx, q, func() (any, error) {
			return some(q.RepairSkeleton(ctx, queries.RepairSkeletonParams{NewKey: []byte("x"), UserID: 1, OldKey: []byte("ada")}))
		})
	},
	"VerifyBuried": func(ctx context.Context, q *queries.Queries) (any, error) {
		return halfBuried(ctx, q, func() (any, error) {
			return some(q.VerifyBuried(ctx, queries.VerifyBuriedParams{Limit: 1}))
		})
	},
	"RepairBuried": func(ctx context.Context, q *queries.Queries) (any, error) {
		return halfBuried(ctx, q, func() (any, error) { return some(q.RepairBuried(ctx, 1)) })
	},
	"VerifyPhotos": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.PutPhoto(ctx, photo); err != nil {
			return nil, err
		}
		return some(q.VerifyPhotos(ctx, queries.VerifyPhotosParams{Limit: 1}))
	},
	"RepairPhoto": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.PutPhoto(ctx, photo); err != nil {
			return nil, err
		}
		return some(q.RepairPhoto(ctx, 1))
	},
	"VerifyReports": func(ctx context.Context, q *queries.Queries) (any, error) {
		return reported(ctx, q, func(uint64) (any, error) {
			return some(q.VerifyReports(ctx, queries.VerifyReportsParams{Limit: 1}))
		})
	},
	"VerifyTotals": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.VerifyTotals(ctx)) },
	"VerifyUsers": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.VerifyUsers(ctx, queries.VerifyUsersParams{After: 1, Limit: 1}))
	},
	"VerifyConversations": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.VerifyConversations(ctx, queries.VerifyConversationsParams{FromID: 1, ToID: math.MaxUint64, Limit: 1}))
	},
	"VerifyMembers": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.VerifyMembers(ctx, queries.VerifyMembersParams{AfterUser: 1, AfterConversation: 1, Limit: 1}))
	},
	"VerifyAuditEvents": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.VerifyAuditEvents(ctx, queries.VerifyAuditEventsParams{Limit: 1}))
	},
	"VerifySessions": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.CreateSession(ctx, strangersSession); err != nil {
			return nil, err
		}
		return some(q.VerifySessions(ctx, queries.VerifySessionsParams{After: 1, Limit: 1}))
	},
	"RepairSessions": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.CreateSession(ctx, strangersSession); err != nil {
			return nil, err
		}
		return some(q.RepairSessions(ctx, 99))
	},
	"VerifyRevs": func(ctx context.Context, q *queries.Queries) (any, error) {
		second := message(2)
		second.Rev = 1
		if err := q.CreateMessages(ctx, []queries.Message{second}); err != nil {
			return nil, err
		}
		return some(q.VerifyRevs(ctx, queries.VerifyRevsParams{ConversationID: 1, Limit: 1}))
	},
	"RepairableRevs": func(ctx context.Context, q *queries.Queries) (any, error) {
		second := message(2)
		second.Rev = 1
		if err := q.CreateMessages(ctx, []queries.Message{second}); err != nil {
			return nil, err
		}
		return some(q.RepairableRevs(ctx, queries.RepairableRevsParams{ConversationID: 1, Limit: 1}))
	},
	// What these five look for, unique keys forbid: db/chat's tests drop those.
	"VerifyClientKeys": func(ctx context.Context, q *queries.Queries) (any, error) {
		rows, err := q.VerifyClientKeys(ctx, queries.VerifyClientKeysParams{ConversationID: 1, Limit: 1})
		return len(rows) == 0, err
	},
	"VerifyUsernameKeys": func(ctx context.Context, q *queries.Queries) (any, error) {
		rows, err := q.VerifyUsernameKeys(ctx, 1)
		return len(rows) == 0, err
	},
	"VerifyEmailKeys": func(ctx context.Context, q *queries.Queries) (any, error) {
		rows, err := q.VerifyEmailKeys(ctx, 1)
		return len(rows) == 0, err
	},
	"VerifyPairs": func(ctx context.Context, q *queries.Queries) (any, error) {
		rows, err := q.VerifyPairs(ctx, 1)
		return len(rows) == 0, err
	},
	"VerifyMemberTwice": func(ctx context.Context, q *queries.Queries) (any, error) {
		rows, err := q.VerifyMemberTwice(ctx, 1)
		return len(rows) == 0, err
	},
	"VerifyLockConversation": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.VerifyLockConversation(ctx, 1))
	},
	"VerifyKeysTaken": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.VerifyKeysTaken(ctx, queries.VerifyKeysTakenParams{UsernameKey: []byte("x"), EmailKey: text("bob"), ID: 1}))
	},
	"VerifyLockUser": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.VerifyLockUser(ctx, 2)) },
	"RepairUserKeys": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.RepairUserKeys(ctx, queries.RepairUserKeysParams{UsernameKey: []byte("x"), SearchKey: []byte("x"), ID: 1}))
	},
	"RepairWatermarks": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.RepairWatermarks(ctx, queries.RepairWatermarksParams{LastSeq: 1, UserID: 1, ConversationID: 1}))
	},
	"RepairMember": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.CreateMembers(ctx, []queries.Member{{UserID: 1, ConversationID: 99}}); err != nil {
			return nil, err
		}
		return some(q.RepairMember(ctx, queries.RepairMemberParams{UserID: 1, ConversationID: 99}))
	},
	"RepairConversation": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.RepairConversation(ctx, queries.RepairConversationParams{LastSeq: 1, LastRev: 1, LastAt: moment(now), Blocked: 1, ID: 1}))
	},
	"RepairRev": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.RepairRev(ctx, queries.RepairRevParams{Rev: 9, ConversationID: 1, Seq: 1}))
	},
	"CountFactors": func(ctx context.Context, q *queries.Queries) (any, error) {
		n, err := q.CountFactors(ctx, queries.CountFactorsParams{UserID: 1})
		return n == queries.CountFactorsRow{Totps: 1, Passkeys: 1, RecoveryCodes: 1}, err
	},
	"FindTOTP": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.FindTOTP(ctx, queries.FindTOTPParams{UserID: 1, Confirmed: true}))
	},
	"LockTOTP": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.LockTOTP(ctx, 1)) },
	"UseTOTP": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.UseTOTP(ctx, queries.UseTOTPParams{Step: 8, UsedAt: moment(now), UserID: 1}))
	},
	"FailTOTP": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.FailTOTP(ctx, queries.FailTOTPParams{FailedAt: moment(now), UserID: 1}))
	},
	"DeleteTOTP": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.DeleteTOTP(ctx, queries.DeleteTOTPParams{UserID: 1, Confirmed: true}))
	},
	"DeleteRecoveryCode": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.DeleteRecoveryCode(ctx, queries.DeleteRecoveryCodeParams{UserID: 1, CodeHash: hash}))
	},
	"DeleteRecoveryCodes": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.DeleteRecoveryCodes(ctx, 1)) },
	"ListPasskeys":        func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.ListPasskeys(ctx, 1)) },
	"PasskeyByCredential": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.PasskeyByCredential(ctx, hash))
	},
	"LockPasskey": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.LockPasskey(ctx, 1)) },
	"UsePasskey": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.UsePasskey(ctx, queries.UsePasskeyParams{SignCount: 9, UsedAt: moment(now), ID: 1}))
	},
	"DeletePasskey": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.DeletePasskey(ctx, queries.DeletePasskeyParams{ID: 1, UserID: 1}))
	},
	"DeletePasskeysOf": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.DeletePasskeysOf(ctx, 1)) },
	"FindSignIn": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.FindSignIn(ctx, queries.FindSignInParams{IDHash: hash, Most: 1, Now: now}))
	},
	"TrySignIn": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.TrySignIn(ctx, queries.TrySignInParams{IDHash: hash, Most: 1, Now: now}))
	},
	"DeleteSignIn": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.DeleteSignIn(ctx, hash)) },
	"DeleteExpiredSignIns": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.DeleteExpiredSignIns(ctx, soon))
	},
	"LockCeremony": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.LockCeremony(ctx, queries.LockCeremonyParams{Owner: hash, Now: now}))
	},
	"DeleteCeremony": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.DeleteCeremony(ctx, hash)) },
	"DeleteExpiredCeremonies": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.DeleteExpiredCeremonies(ctx, soon))
	},
	"ProfileByKey": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ProfileByKey(ctx, []byte("ada")))
	},
	"ProfileByID": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.ProfileByID(ctx, 1)) },
	"PutProfile": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.PutProfile(ctx, queries.PutProfileParams{UserID: 1, About: "x", TimeZone: "UTC"}))
	},
	"DeleteProfile": func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.DeleteProfile(ctx, 1)) },
	"ViewersByID": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ViewersByID(ctx, []uint64{1, 2}))
	},
	"PutPhoto": func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.PutPhoto(ctx, photo)) },
	"PhotoByHash": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.PutPhoto(ctx, photo); err != nil {
			return nil, err
		}
		return some(q.PhotoByHash(ctx, hash))
	},
	"DeletePhoto": func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.DeletePhoto(ctx, 1)) },
	"SetUserPhoto": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.SetUserPhoto(ctx, queries.SetUserPhotoParams{Photo: text("\x00\xff\xfe no UTF-8, 32 octets long"), ID: 1}); err != nil {
			return nil, err
		}
		u, err := q.UserByID(ctx, 1)
		return u.Photo.String[:3] == "\x00\xff\xfe", err
	},
	"ExportReach": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.ExportReach(ctx, 2)) },
	"ExportSessions": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ExportSessions(ctx, queries.ExportSessionsParams{UserID: 1, After: []byte{}, Now: now, Limit: 1}))
	},
	"ExportConversations": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.ExportConversations(ctx, queries.ExportConversationsParams{UserID: 2, Limit: 1}))
	},
	"ExportEvents": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.ExportEvents(ctx, 2, 0, 1)) },
	"BuryUser": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.BuryUser(ctx, queries.BuryUserParams{Username: "~1", UsernameKey: []byte("~1"), SearchKey: []byte("~1"), At: moment(now), ID: 1}))
	},
	"CreateFormerUsername": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateFormerUsername(ctx, queries.CreateFormerUsernameParams{NameHash: hash, UserID: 1}))
	},
	"CreateFormerLook": func(ctx context.Context, q *queries.Queries) (any, error) {
		for range 2 {
			if err := q.CreateFormerLook(ctx, queries.CreateFormerLookParams{NameHash: hash, UserID: 1}); err != nil {
				return nil, err
			}
		}
		return true, nil
	},
	"TombstoneKey": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.CreateFormerUsername(ctx, queries.CreateFormerUsernameParams{NameHash: hash, UserID: 1}); err != nil {
			return nil, err
		}
		return some(q.TombstoneKey(ctx, hash))
	},
	"CreateDeletion": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CreateDeletion(ctx, deletion))
	},
	"DeletionsToDo": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.CreateDeletion(ctx, deletion); err != nil {
			return nil, err
		}
		return some(q.DeletionsToDo(ctx, queries.DeletionsToDoParams{Settled: soon, Now: moment(soon), Limit: 1}))
	},
	"HoldDeletion": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.CreateDeletion(ctx, deletion); err != nil {
			return nil, err
		}
		return some(q.HoldDeletion(ctx, queries.HoldDeletionParams{NewUntil: moment(soon), UserID: 1, Now: moment(now)}))
	},
	"AdvanceDeletion": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.AdvanceDeletion(ctx, queries.AdvanceDeletionParams{ConversationID: 1, Erased: 1, HeldUntil: moment(soon), UserID: 1}))
	},
	"EndDeletion": func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.CreateDeletion(ctx, deletion); err != nil {
			return nil, err
		}
		return some(q.EndDeletion(ctx, 1))
	},
	"DeletionConversations": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.DeletionConversations(ctx, queries.DeletionConversationsParams{UserID: 1, Limit: 1}))
	},
	"SeqsToErase": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.SeqsToErase(ctx, queries.SeqsToEraseParams{ConversationID: 1, SenderID: 1, Limit: 1}))
	},
	"EraseMessages": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.EraseMessages(ctx, 1, 1, []uint64{1}, 1, now))
	},
	"AuditIDsByActor": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.AuditIDsByActor(ctx, queries.AuditIDsByActorParams{ActorID: 1, Limit: 1}))
	},
	"AuditIDsOnSubject": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.AuditIDsOnSubject(ctx, queries.AuditIDsOnSubjectParams{SubjectID: number(2), Limit: 1}))
	},
	"BlankAuditByActor": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.BlankAuditByActor(ctx, []uint64{1, 1}))
	},
	"BlankAuditOnSubject": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.BlankAuditOnSubject(ctx, []uint64{1, 1}))
	},
	"DeleteLinksOf": func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.DeleteLinksOf(ctx, 1)) },
	"DeleteMailsOf": func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.DeleteMailsOf(ctx, 1)) },
	"DeleteMailsTo": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.DeleteMailsTo(ctx, "ada"))
	},
	"DeleteSignInsOf":  func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.DeleteSignInsOf(ctx, 1)) },
	"DeleteSkeletonOf": func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.DeleteSkeletonOf(ctx, 1)) },
	"DeleteInvitationUsesOf": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.DeleteInvitationUsesOf(ctx, 1))
	},
	"CloseInvitationsOf": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.CloseInvitationsOf(ctx, queries.CloseInvitationsOfParams{Now: moment(now), CreatorID: 1}))
	},
	"DeleteBrowsersOf": func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.DeleteBrowsersOf(ctx, 1)) },
	"DeleteTOTPsOf":    func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.DeleteTOTPsOf(ctx, 1)) },
	"BlankReportsOf":   func(ctx context.Context, q *queries.Queries) (any, error) { return nothing(q.BlankReportsOf(ctx, 1)) },
	"BlankReportedBodies": func(ctx context.Context, q *queries.Queries) (any, error) {
		return nothing(q.BlankReportedBodies(ctx, 1))
	},
	"UserByID": func(ctx context.Context, q *queries.Queries) (any, error) { return some(q.UserByID(ctx, 1)) },
	"UserByKey": func(ctx context.Context, q *queries.Queries) (any, error) {
		return some(q.UserByKey(ctx, []byte("ada")))
	},
}

// A mail and a link, which the queries above find.
var (
	queued = queries.QueueMailParams{Kind: "x", UserID: 1, Email: "ada", Ip: "::1", CreatedAt: now, DueAt: moment(now)}
	link   = queries.PutLinkParams{UserID: 1, Kind: "x", TokenHash: hash, StateHash: hash, Email: "ada", CreatedAt: now, ExpiresAt: soon}
)

func claim(id uint64) queries.ClaimMailParams {
	return queries.ClaimMailParams{Lease: moment(soon), ID: id, DueUntil: moment(now), Now: moment(now)}
}

// withMail queues a mail first, and hands its ID on: numbers that a rollback took back aren't given again.
func withMail(f func(ctx context.Context, q *queries.Queries, id uint64) (any, error)) call {
	return func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.QueueMail(ctx, queued); err != nil {
			return nil, err
		}
		rows, err := q.ListMails(ctx, queries.ListMailsParams{BeforeID: math.MaxInt64, Limit: 1})
		if err != nil {
			return nil, err
		}
		return f(ctx, q, rows[0].Mail.ID)
	}
}

func withLink(f call) call {
	return func(ctx context.Context, q *queries.Queries) (any, error) {
		if err := q.PutLink(ctx, link); err != nil {
			return nil, err
		}
		return f(ctx, q)
	}
}

var block = queries.CreateBlockParams{UserID: 1, BlockedID: 2, CreatedAt: now}

// blocked runs a query where the first person has blocked the second.
func blocked[P, T any](query func(context.Context, P) (T, error)) func(context.Context, *queries.Queries, P) (any, error) {
	return func(ctx context.Context, q *queries.Queries, p P) (any, error) {
		if _, err := q.CreateBlock(ctx, block); err != nil {
			return nil, err
		}
		return some(query(ctx, p))
	}
}

var report = queries.CreateReportParams{CreatedAt: now, ReporterID: 2, SubjectID: 1, ConversationID: 1, Seq: 1, SentAt: now, Reason: "spam", Note: "x", Body: "hi"}

func reported(ctx context.Context, q *queries.Queries, then func(id uint64) (any, error)) (any, error) {
	id, err := q.CreateReport(ctx, report)
	if err != nil {
		return nil, err
	}
	return then(uint64(id))
}

func skeletal(ctx context.Context, q *queries.Queries, then func() (any, error)) (any, error) {
	if err := q.CreateSkeleton(ctx, queries.CreateSkeletonParams{SkeletonKey: []byte("ada"), UserID: 1}); err != nil {
		return nil, err
	}
	return then()
}

// halfBuried has a deleted account with an e-mail address.
func halfBuried(ctx context.Context, q *queries.Queries, then func() (any, error)) (any, error) {
	err := q.BuryUser(ctx, queries.BuryUserParams{Username: "~1", UsernameKey: []byte("~1"), SearchKey: []byte("~1"), At: moment(now), ID: 1})
	if err == nil {
		err = q.UpdateUser(ctx, queries.UpdateUserParams{DisplayName: "x", SearchKey: []byte("x"), Email: text("x"), EmailKey: text("x"), ID: 1})
	}
	if err != nil {
		return nil, err
	}
	return then()
}

func closing(id uint64) queries.CloseReportParams {
	return queries.CloseReportParams{ClosedAt: moment(soon), CloserID: number(1), Decision: "upheld", DecisionNote: "x", ID: id}
}

var (
	photo    = queries.PutPhotoParams{UserID: 1, Hash: hash, ContentType: "image/png", Small: []byte("s"), Large: []byte("l")}
	deletion = queries.CreateDeletionParams{UserID: 1, Erase: true, CreatedAt: now}
)

// latest asks for the latest of somebody's sessions.
var latest = queries.SessionTimeBackParams{UserID: 1, Now: now, MadeAfter: past, Before: now.AddDate(1, 0, 0), BeforeName: []byte("f")}

// strangersSession is that of nobody's.
var strangersSession = queries.CreateSessionParams{IDHash: []byte("strangers-strangers-strangers-st"), UserID: 99, CreatedAt: now, SeenAt: now, ExpiresAt: soon}

// sqlc checks queries against its own idea of SQL: each of them has to be understood by the real server too, and to
// find what is there, with all of its parameters.
func TestEveryQueryRuns(t *testing.T) {
	pool := dbtest.New(t)
	seed(t, queries.New(pool))
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			tx, err := pool.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			found, err := call(t.Context(), queries.New(pool).WithTx(tx))
			if err != nil || empty(found) {
				t.Errorf("found %+v: %v", found, err)
			}
		})
	}
}

func empty(found any) bool {
	v := reflect.ValueOf(found)
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}

// A query that nobody calls above would be the one that fails for its first user.
func TestNoQueryIsLeftOut(t *testing.T) {
	methods := reflect.TypeFor[*queries.Queries]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		_, seeded := seeds[name]
		if _, called := calls[name]; !called && !seeded && name != "WithTx" {
			t.Errorf("%s is in no test: add a call to queries_test.go", name)
		}
	}
}
