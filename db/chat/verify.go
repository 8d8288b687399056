package chat

import (
	"context"
	"database/sql"
	"fmt"
	"hash/maphash"

	"parley/queries"
)

// VerifyOptions say what Verify does besides checking. Both functions may be nil; they are called one at a time.
type VerifyOptions struct {
	Repair   bool                 // put right what follows from the rest of the data
	Found    func(Problem)        // hears of each problem, after its repair
	Progress func(VerifyProgress) // called every few thousand rows
}

// VerifyProgress says how far Verify is. Total was true when Verify began.
type VerifyProgress struct {
	Step        string // "people", "messages", "memberships" and "audit events", one after the other
	Done, Total int
}

// Verified is how many of each were checked. The names in JSON are a promise to programs.
type Verified struct {
	Users         int `json:"users"`
	Conversations int `json:"conversations"`
	Messages      int `json:"messages"`
	Members       int `json:"members"`
	Sessions      int `json:"sessions"`
	AuditEvents   int `json:"audit_events"`
	UnreadCounts  int `json:"unread_counts"` // shown counts that were compared with a recount: those of 500 conversations, or of all if there are fewer
}

// Check names a rule that a Problem breaks. The names are a promise to programs.
type Check string

// The rules. What Verify can repair is said at each.
const (
	CheckEngine           Check = "engine"            // a table is kept by an engine without transactions
	CheckKey              Check = "key"               // a key of the schema is missing
	CheckUsernameKey      Check = "username_key"      // isn't the canonical form of the username; repaired
	CheckEmailKey         Check = "email_key"         // isn't the canonical form of the e-mail address; repaired
	CheckSearchKey        Check = "search_key"        // isn't the form that the directory searches; repaired
	CheckUsernameRepeat   Check = "username_repeat"   // accounts share a username
	CheckEmailRepeat      Check = "email_repeat"      // accounts share an e-mail address
	CheckPairRepeat       Check = "pair_repeat"       // two people have several conversations
	CheckPairOrder        Check = "pair_order"        // user_lo is above user_hi
	CheckConversationUser Check = "conversation_user" // a conversation is of somebody without an account
	CheckMemberMissing    Check = "member_missing"    // somebody has no row for their conversation; repaired
	CheckMemberStranger   Check = "member_stranger"   // somebody is a member of others' conversation; repaired
	CheckMemberOrphan     Check = "member_orphan"     // a member of a conversation of which nothing is there; repaired
	CheckMemberRepeat     Check = "member_repeat"     // somebody is a member twice
	CheckWatermark        Check = "watermark"         // beyond the newest message; repaired
	CheckSeqHole          Check = "seq_hole"          // messages are missing between others
	CheckSeqRepeat        Check = "seq_repeat"        // messages share a seq, or have 0
	CheckSeqBehind        Check = "seq_behind"        // last_seq is below a message; repaired
	CheckSeqAhead         Check = "seq_ahead"         // last_seq is above all messages; repaired only if no message was lost
	CheckRevBehind        Check = "rev_behind"        // last_rev is below a message's rev; repaired
	CheckRevAhead         Check = "rev_ahead"         // last_rev is above all messages' revs; repaired
	CheckRevLow           Check = "rev_low"           // a rev is lower than the message can have had; repaired
	CheckRevRepeat        Check = "rev_repeat"        // messages share a rev; repaired
	CheckLastAt           Check = "last_at"           // isn't the newest message's time; repaired
	CheckTimeOrder        Check = "time_order"        // a message is earlier than the one before
	CheckClientRepeat     Check = "client_repeat"     // messages of one sender share a client ID
	CheckSender           Check = "sender"            // a message is by neither of the two
	CheckBody             Check = "body"              // a message that isn't deleted is empty or begins with white space
	CheckMessageOrphan    Check = "message_orphan"    // messages of a conversation that isn't there
	CheckUnread           Check = "unread"            // a shown count of unread messages isn't what a recount gives
	CheckSessionOrphan    Check = "session_orphan"    // sessions of somebody without an account; repaired
	CheckBlocked          Check = "blocked"           // a conversation's row says otherwise than the blocks who has blocked whom; repaired
	CheckBlockOrphan      Check = "block_orphan"      // a block whose people, or whose conversation, aren't there; without a person it is repaired
	CheckLeftover         Check = "leftover"          // rows of a table of somebody without an account; repaired
	CheckDeletedLeft      Check = "deleted_left"      // a deleted account still has something of its owner's; repaired
	CheckPhoto            Check = "photo"             // an account's row names another photo than there is; repaired
	CheckSkeleton         Check = "skeleton"          // what keeps look-alikes from a name isn't that name's; repaired
	CheckReportOrphan     Check = "report_orphan"     // a report is by or about somebody, or of a message, that isn't there
	CheckAuditOrphan      Check = "audit_orphan"      // an audit event is about somebody or a message that isn't there
)

// Problem is a rule that the data breaks, once for each conversation or account, however many rows of it are concerned; of
// leftovers, once for each table too.
// What doesn't apply is 0. The names in JSON are a promise to programs.
type Problem struct {
	Check        Check  `json:"check"`
	Conversation uint64 `json:"conversation,omitempty"`
	Seq          uint64 `json:"seq,omitempty"`  // the first message concerned
	User         uint64 `json:"user,omitempty"` // an ID
	Detail       string `json:"detail"`         // what is wrong, for people; where it can't be repaired, what to do
	Repairable   bool   `json:"repairable"`     // it follows from the rest of the data what would be right
	Repaired     bool   `json:"repaired"`
}

// Verify checks the database against what Parley promises, and reads only, unless it is to repair. Parley may run
// meanwhile: each conversation is seen in one snapshot, and repaired under its lock after another look. The schema must
// be the one that this program knows.
//
// It reads in pieces, so memory doesn't grow with the database. Problems are no error: an error means that the check
// didn't come to its end. No body is ever read as a whole, changed or printed, and no message deleted.
//
// Repairs are of what is derived. A counter or a time in a conversation's row goes to what the messages say; last_seq is
// lowered only where last_rev, last_at and the watermarks prove that no message was lost. A rev that can't be right is
// replaced by the conversation's next one, so that every page fetches that message again. A watermark comes back to the
// newest message. A missing membership is made with nothing read: better to show too much as unread than to hide
// something. Memberships of strangers and leftovers of nobody's are deleted. None of it is in the audit log, which is
// about what admins do by their accounts. While a conversation is looked at again, its people can't send: for some
// milliseconds mostly, for 5 s where it has a million messages.
func (s *Store) Verify(ctx context.Context, o VerifyOptions) (Verified, error) {
	return s.verify(ctx, o, verifySizes)
}

// pieces bound what is read at a time, and with it the memory.
type pieces struct {
	rows          int32  // of the smaller tables, a statement
	conversations int32  // in one snapshot
	messages      uint64 // from how many on a snapshot takes no further conversation: old ones make a busy server slow
	fingerprints  int    // of client IDs, 8 bytes each; of a longer conversation the server is asked
	unread        int    // conversations whose shown counts are compared with a recount, about, evenly spread; of fewer it is all
}

// The last one takes about 2 s.
var verifySizes = pieces{rows: 5000, conversations: 1000, messages: 50_000, fingerprints: 1 << 20, unread: 500}

func (s *Store) verify(ctx context.Context, o VerifyOptions, sizes pieces) (Verified, error) {
	v := &verifier{store: s, q: s.q, options: o, sizes: sizes, keys: fingerprints{most: sizes.fingerprints, seed: maphash.MakeSeed()}}
	for _, check := range []func(context.Context) error{
		v.schema, v.count, v.users, v.repeats, v.conversations, v.members, v.blocks, v.sessions, v.belongings, v.auditEvents,
	} {
		if err := check(ctx); err != nil {
			return v.result, Fault(err)
		}
	}
	return v.result, nil
}

// verifier is one run of Verify.
type verifier struct {
	store   *Store
	q       *queries.Queries
	options VerifyOptions
	sizes   pieces
	totals  queries.VerifyTotalsRow
	result  Verified
	now     VerifyProgress

	keysMissing bool // so pages may be unable to show anything

	keys fingerprints
}

func (v *verifier) count(ctx context.Context) (err error) {
	v.totals, err = v.q.VerifyTotals(ctx)
	return err
}

func (v *verifier) begin(step string, total int64) {
	v.now = VerifyProgress{Step: step, Total: int(total)}
}

func (v *verifier) advance(n int) {
	v.now.Done += n
	v.now.Total = max(v.now.Total, v.now.Done) // rows came meanwhile
	if v.options.Progress != nil {
		v.options.Progress(v.now)
	}
}

func (v *verifier) report(problems ...Problem) {
	for _, p := range problems {
		if v.options.Found != nil {
			v.options.Found(p)
		}
	}
}

// settle reports the problems, or what a repair says of them. The repair runs in a transaction, looks again under its
// own locks, and may run more than once.
func (v *verifier) settle(ctx context.Context, problems []Problem, repair func(context.Context, *sql.Tx) ([]Problem, error)) error {
	repairable := false
	for _, p := range problems {
		repairable = repairable || p.Repairable
	}
	if repairable && v.options.Repair {
		err := v.inTx(ctx, nil, func(tx *sql.Tx) (err error) {
			problems, err = repair(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
	}
	v.report(problems...)
	return nil
}

// snapshot is how conversations are read: all statements of the transaction see the same moment. It isn't declared read
// only, which TiDB refuses.
var snapshot = &sql.TxOptions{Isolation: sql.LevelRepeatableRead}

// inTx runs f in a transaction, again after a deadlock or a lock time-out. It has no time limit of its own: a
// conversation may be long, and nobody waits for an answer.
func (v *verifier) inTx(ctx context.Context, o *sql.TxOptions, f func(*sql.Tx) error) (err error) {
	for range importTries {
		var tx *sql.Tx
		if tx, err = v.store.db.BeginTx(ctx, o); err != nil {
			return err
		}
		if err = f(tx); err == nil {
			return tx.Commit()
		}
		_ = tx.Rollback() // the error that stopped f says more
		if !retriable(err) || lostConnection(err) {
			return err
		}
	}
	return err
}

// inPieces goes through a table: read gives up to size rows after a row, at first after none.
func inPieces[Row any](size int32, read func(after Row) ([]Row, error), each func(Row) error, done func(n int)) error {
	for after := *new(Row); ; {
		rows, err := read(after)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := each(row); err != nil {
				return err
			}
		}
		done(len(rows))
		if len(rows) < int(size) { // not until there are none: people write meanwhile
			return nil
		}
		after = rows[len(rows)-1]
	}
}

// places are seqs at which something is wrong.
type places struct{ n, first uint64 }

func (p *places) add(seq, n uint64) {
	if p.n == 0 {
		p.first = seq
	}
	p.n += n
}

// several says "1 message" or "3 messages".
func several[N int | int64 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
