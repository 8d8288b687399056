package chat

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"

	"parley/queries"
)

// conversations checks all conversations with their messages.
func (v *verifier) conversations(ctx context.Context) error {
	v.begin("messages", v.totals.Messages)
	limit := v.sizes.conversations
	for from := uint64(0); ; from++ {
		if from > uint64(v.totals.LastConversation) {
			limit = min(2*limit, math.MaxInt32/2) // else people who begin conversations could keep this from ever ending
		}
		to, err := v.batch(ctx, from, limit)
		if err != nil || to == math.MaxUint64 {
			return err
		}
		from = to
	}
}

// batch checks the next conversations, in one snapshot, and says up to which ID. Repairs come when the snapshot is gone.
func (v *verifier) batch(ctx context.Context, from uint64, limit int32) (to uint64, err error) {
	var list []*examined
	err = v.inTx(ctx, snapshot, func(tx *sql.Tx) error {
		rows, err := v.q.WithTx(tx).VerifyConversations(ctx, queries.VerifyConversationsParams{FromID: from, ToID: math.MaxUint64, Limit: limit})
		if err != nil {
			return err
		}
		rows, to = v.cut(rows, limit)
		list, err = v.examine(ctx, tx, rows, from, to, v.advance)
		return err
	})
	if err != nil {
		return to, err
	}
	for _, e := range list {
		v.result.Messages += int(e.count)
		if err := v.settleConversation(ctx, e); err != nil {
			return to, err
		}
		v.result.Conversations++
	}
	return to, nil
}

// cut ends a batch early where its conversations are long. The last batch reaches beyond every ID.
func (v *verifier) cut(rows []queries.VerifyConversationsRow, limit int32) (_ []queries.VerifyConversationsRow, to uint64) {
	to = math.MaxUint64
	if len(rows) == int(limit) {
		to = rows[len(rows)-1].Conversation.ID
	}
	var messages uint64
	for i, row := range rows {
		if messages += row.Conversation.LastSeq; messages > v.sizes.messages && i+1 < len(rows) {
			return rows[:i+1], row.Conversation.ID
		}
	}
	return rows, to
}

// examined is a conversation with its people and what its messages add up to, all of one moment.
type examined struct {
	queries.Conversation
	row    queries.VerifyConversationsRow
	orphan bool // there are only messages
	tally
	revRepeats places
	problems   []Problem
}

// examine reads the messages of these conversations, which are all there are from one ID to another, and judges them.
func (v *verifier) examine(ctx context.Context, tx *sql.Tx, rows []queries.VerifyConversationsRow, from, to uint64, progress func(int)) ([]*examined, error) {
	var list []*examined
	for _, row := range rows {
		if n := len(list); n == 0 || list[n-1].ID != row.Conversation.ID { // a membership that is there twice gives two rows
			list = append(list, &examined{Conversation: row.Conversation, row: row})
		}
	}
	if err := v.readMessages(ctx, tx, from, to, slices.Clone(list), progress); err != nil {
		return nil, err
	}
	for _, e := range list {
		if err := e.judge(ctx, v.q.WithTx(tx)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// reader is one of a conversation's people.
type reader struct {
	user            uint64
	account, member bool // they are there
	read, delivered uint64
}

// readers gives both; for notes that is the same person twice.
func (e *examined) readers() [2]reader {
	return [2]reader{
		{e.UserLo, e.row.LoID.Valid, e.row.LoMember.Valid, uint64(e.row.LoRead), uint64(e.row.LoDelivered)},
		{e.UserHi, e.row.HiID.Valid, e.row.HiMember.Valid, uint64(e.row.HiRead), uint64(e.row.HiDelivered)},
	}
}

// people gives each person once.
func (e *examined) people() []reader {
	both := e.readers()
	if e.UserLo == e.UserHi {
		return both[:1]
	}
	return both[:]
}

func (e *examined) found(p Problem, detail string, args ...any) {
	p.Conversation, p.Detail = e.ID, fmt.Sprintf(detail, args...)
	e.problems = append(e.problems, p)
}

// judge applies the rules. Each kind of damage is to give one problem, so some rules look at what others found.
func (e *examined) judge(ctx context.Context, q *queries.Queries) error {
	e.judgePeople()
	e.judgeMessages()
	if err := e.judgeRepeats(ctx, q); err != nil {
		return err
	}
	if e.LastSeq > e.lastSeq {
		e.judgeLostEnd()
	} else {
		e.judgeCounters()
	}
	return nil
}

func (e *examined) judgePeople() {
	if e.Blocked != e.blocks() {
		e.found(Problem{Check: CheckBlocked, Repairable: true}, "it says %d of who has blocked whom, and the blocks say %d, so the wrong people can or can't send", e.Blocked, e.blocks())
	}
	if e.UserLo > e.UserHi {
		e.found(Problem{Check: CheckPairOrder}, "user_lo is above user_hi, so its people can't find it: swap the two in the database, unless there is another conversation of these people")
	}
	end := e.endSeq()
	for _, r := range e.people() {
		switch {
		case !r.account:
			e.found(Problem{Check: CheckConversationUser, User: r.user}, "it is between two people of whom one has no account: put the account back from a backup")
		case !r.member:
			e.found(Problem{Check: CheckMemberMissing, User: r.user, Repairable: true}, "one of its people isn't a member, so it isn't in their list; as a member, all that the other wrote counts as unread until they open it")
		case max(r.read, r.delivered) > end:
			e.found(Problem{Check: CheckWatermark, User: r.user, Repairable: true}, "read up to %d and received up to %d, but the newest message is %d", r.read, r.delivered, end)
		}
	}
}

func (e *examined) judgeMessages() {
	const restore = "put them back from a backup"
	for _, rule := range []struct {
		check      Check
		at         places
		repairable bool
		what, todo string
	}{
		{CheckSeqHole, e.holes, false, "missing messages", restore},
		{CheckSeqRepeat, e.repeats, false, "messages with the seq of another, or 0", "delete those that don't belong there in the database"},
		{CheckRevLow, e.lowRevs, true, "messages with a rev below their seq", "pages that catch up may miss them"},
		{CheckTimeOrder, e.early, false, "messages earlier than the one before", "correct created_at in the database"},
		{CheckSender, e.strangers, false, "messages by neither of the two people", "correct sender_id in the database or " + restore},
		{CheckBody, e.blank, false, "messages that are empty or begin with white space", restore},
	} {
		if rule.at.n > 0 {
			e.found(Problem{Check: rule.check, Seq: rule.at.first, Repairable: rule.repairable}, "%s: %d, the first is %d; %s", rule.what, rule.at.n, rule.at.first, rule.todo)
		}
	}
}

// judgeRepeats asks the server which revs and client IDs repeat, where the messages leave it in doubt.
func (e *examined) judgeRepeats(ctx context.Context, q *queries.Queries) error {
	if e.revsInDoubt && e.lowRevs.n == 0 {
		rows, err := q.VerifyRevs(ctx, queries.VerifyRevsParams{ConversationID: e.ID, Limit: mostRepeats})
		if err != nil {
			return err
		}
		for _, row := range rows {
			e.revRepeats.add(uint64(row.LastSeq), uint64(row.Messages-1))
		}
	}
	if n := e.revRepeats; n.n > 0 {
		e.found(Problem{Check: CheckRevRepeat, Seq: n.first, Repairable: true}, "messages with the rev of another: %d; pages that catch up may miss them", n.n)
	}
	if !e.keysInDoubt {
		return nil
	}
	rows, err := q.VerifyClientKeys(ctx, queries.VerifyClientKeysParams{ConversationID: e.ID, Limit: mostRepeats})
	for _, row := range rows {
		e.found(Problem{Check: CheckClientRepeat, Seq: uint64(row.LastSeq), User: row.SenderID},
			"%s of one sender have one client ID, the first is %d: give all but the first a client_key of its own in the database", several(row.Messages, "message"), row.FirstSeq)
	}
	return err
}

// judgeLostEnd is for a last_seq above all messages. Either messages were lost, which nothing can make good, or just
// this counter is wrong: every message sets last_rev and last_at too, so then these fit what is there.
func (e *examined) judgeLostEnd() {
	if e.onlyCounter() {
		e.found(Problem{Check: CheckSeqAhead, Seq: e.lastSeq, Repairable: true}, "last_seq is %d and the newest message %d; rev, time and watermarks say that no message is missing", e.LastSeq, e.lastSeq)
		return
	}
	e.found(Problem{Check: CheckSeqAhead, Seq: e.lastSeq}, "the messages from %d to %d are missing at the end: put them back from a backup", e.lastSeq+1, e.LastSeq)
}

func (e *examined) onlyCounter() bool {
	for _, r := range e.people() {
		if max(r.read, r.delivered) > e.lastSeq {
			return false
		}
	}
	return e.LastRev == e.lastRev && e.hasLastAt(e.lastAt) && e.holes.n == 0
}

func (e *examined) hasLastAt(at time.Time) bool {
	return e.LastAt.Valid == (e.count > 0) && e.LastAt.Time.Equal(at)
}

// endSeq is what last_seq is to be.
func (e *examined) endSeq() uint64 {
	if e.LastSeq > e.lastSeq && e.onlyCounter() {
		return e.lastSeq
	}
	return max(e.LastSeq, e.lastSeq)
}

func (e *examined) judgeCounters() {
	if e.LastSeq < e.lastSeq {
		e.found(Problem{Check: CheckSeqBehind, Seq: e.lastSeq, Repairable: true}, "last_seq is %d, but there is message %d, so nobody can send", e.LastSeq, e.lastSeq)
	}
	revsFit := e.holes.n == 0 && e.lowRevs.n == 0 && e.revRepeats.n == 0 // else the highest rev may be what is wrong
	switch {
	case e.LastRev < e.lastRev:
		e.found(Problem{Check: CheckRevBehind, Repairable: true}, "last_rev is %d, but there is a message with %d", e.LastRev, e.lastRev)
	case e.LastRev > e.lastRev && revsFit:
		e.found(Problem{Check: CheckRevAhead, Repairable: e.count > 0}, "last_rev is %d, but the newest change is %d; the next message makes it whole", e.LastRev, e.lastRev)
	}
	if !e.hasLastAt(e.lastAt) {
		e.found(Problem{Check: CheckLastAt, Repairable: true}, "last_at isn't the time of the newest message, so the list of conversations is out of order")
	}
}
