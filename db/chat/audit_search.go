package chat

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/queries"
)

// AuditQuery asks for a part of the audit log, newest first. What is set narrows it, all together.
type AuditQuery struct {
	Person string // the username of whoever acted, or of whom it was done to
	Action AuditAction
	From   time.Time // the first moment; zero for no bound
	To     time.Time // the moment after the last; zero for no bound
	After  string    // a cursor, "" for the first page
	Limit  int       // default 50
}

// SearchAudit finds what was done. An unknown Person is an Invalid error on the field user. However long the log is, a
// page reads hardly more rows than it has: of a million events some 55, and 370 at most where From and To are given
// (MariaDB 10.11, an event a second, which fill the seconds that auditSkew allows for).
func (s *Store) SearchAudit(ctx context.Context, actor Actor, q AuditQuery) (Page[AuditEvent], error) {
	before, err := auditCursor(q.After)
	if err != nil {
		return Page[AuditEvent]{}, err
	}
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return Page[AuditEvent]{}, err
	}
	search, err := s.auditSearch(ctx, q)
	if err != nil {
		return Page[AuditEvent]{}, err
	}
	search.BeforeID = min(search.BeforeID, before)
	return s.auditPage(ctx, search, clampLimit(q.Limit, defaultAuditEvents))
}

// auditSearch is a query in the terms of the database.
type auditSearch struct {
	queries.AuditSearch
	person uint64 // who acted, or whom it was done to; 0 for everybody
}

func (s *Store) auditSearch(ctx context.Context, q AuditQuery) (search auditSearch, err error) {
	if name := strings.TrimSpace(q.Person); name != "" {
		person, err := s.UserByName(ctx, name)
		if KindOf(err) == NotFound {
			return search, fields{"user": {nobodyCalled(name)}}.err("The log can't be searched like this.")
		}
		if err != nil {
			return search, err
		}
		search.person = person.ID
	}
	search.Action, search.From, search.To = string(q.Action), q.From, q.To
	search.FromID, search.BeforeID, err = s.auditIDs(ctx, q.From, q.To)
	return search, fault(err, "")
}

// auditSkew is by how much two nodes' clocks may differ, and an event's transaction take: event IDs are in the order of
// their times but for that.
const auditSkew = time.Minute

// auditIDs gives IDs between which all events of a span of time lie, and few others.
func (s *Store) auditIDs(ctx context.Context, from, to time.Time) (first, before uint64, err error) {
	before = math.MaxInt64
	if !from.IsZero() {
		near, err := s.q.AuditTimeFrom(ctx, from.Add(-auditSkew))
		if noRow(err) {
			return before, before, nil // everything is older
		}
		if err != nil {
			return 0, 0, err
		}
		ids, err := s.q.AuditIDsBetween(ctx, queries.AuditIDsBetweenParams{Since: near, Upto: near.Add(2 * auditSkew)})
		if err != nil {
			return 0, 0, err
		}
		first = uint64(ids.FirstID)
	}
	if !to.IsZero() {
		near, err := s.q.AuditTimeBefore(ctx, to.Add(auditSkew))
		if noRow(err) {
			return first, first, nil // everything is younger
		}
		if err != nil {
			return 0, 0, err
		}
		ids, err := s.q.AuditIDsBetween(ctx, queries.AuditIDsBetweenParams{Since: near.Add(-2 * auditSkew), Upto: near})
		if err != nil {
			return 0, 0, err
		}
		before = uint64(ids.LastID) + 1
	}
	return first, before, nil
}

// auditPage asks for a person's events twice, as each index has one half: what they did, and what was done to them.
func (s *Store) auditPage(ctx context.Context, search auditSearch, limit int) (Page[AuditEvent], error) {
	search.Limit = limit + 1
	halves := []queries.AuditSearch{search.AuditSearch}
	if search.person != 0 {
		halves = []queries.AuditSearch{search.AuditSearch, search.AuditSearch}
		halves[0].Actor, halves[1].Subject = search.person, search.person
	}
	var events []AuditEvent
	for _, half := range halves {
		rows, err := s.q.SearchAuditEvents(ctx, half)
		if err != nil {
			return Page[AuditEvent]{}, fault(err, "")
		}
		for _, row := range rows {
			events = append(events, auditEventOf(row))
		}
	}
	slices.SortFunc(events, func(a, b AuditEvent) int { return cmp.Compare(b.ID, a.ID) })
	events = slices.CompactFunc(events, func(a, b AuditEvent) bool { return a.ID == b.ID }) // done to oneself
	return pageOf(events, limit, AuditEvent.cursor), nil
}

func (e AuditEvent) cursor() string { return encodeCursor(strconv.FormatUint(e.ID, 10)) }

// AuditExport is a search of the audit log that is read to its end.
type AuditExport struct {
	store  *Store
	actor  Actor
	search auditSearch
	ended  bool
}

// auditExportPage is how many events an export reads at a time: some 300 kB.
const auditExportPage = 1000

// ExportAudit begins to read all events that a query finds; its cursor and its limit don't count. That it was exported is in the
// log before anybody reads from it.
func (s *Store) ExportAudit(ctx context.Context, actor Actor, q AuditQuery) (*AuditExport, error) {
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return nil, err
	}
	search, err := s.auditSearch(ctx, q)
	if err != nil {
		return nil, err
	}
	err = s.asAdmin(ctx, actor, func(ctx context.Context, t adminTx) error {
		return record(ctx, t.q, t.at, t.actor, deed{action: AuditExported, subject: search.person, detail: q.text()})
	})
	return &AuditExport{store: s, actor: actor, search: search}, err
}

// text says what a query asks for besides the person.
func (q AuditQuery) text() string {
	var parts []string
	add := func(given bool, text string) {
		if given {
			parts = append(parts, text)
		}
	}
	add(q.Action != "", string(q.Action))
	add(!q.From.IsZero(), "from "+q.From.UTC().Format(time.RFC3339))
	add(!q.To.IsZero(), "to "+q.To.UTC().Format(time.RFC3339))
	return strings.Join(parts, ", ")
}

// Next gives the next events, newest first, and none at the end. It fails once the actor is no admin any more.
func (e *AuditExport) Next(ctx context.Context) ([]AuditEvent, error) {
	if e.ended {
		return nil, nil
	}
	if err := e.store.mustBeAdmin(ctx, e.actor); err != nil {
		return nil, err
	}
	page, err := e.store.auditPage(ctx, e.search, auditExportPage)
	if err != nil {
		return nil, err
	}
	if e.ended = page.Next == ""; !e.ended {
		e.search.BeforeID = page.Items[len(page.Items)-1].ID
	}
	return page.Items, nil
}

// auditSweep bounds one sweep of old events: 100 statements of 1,000 rows each.
const (
	auditSweepRows  = 1000
	auditSweepTimes = 100
)

// SweepAudit deletes events that are older than keep, a bounded number a call, and says how many.
func (s *Store) SweepAudit(ctx context.Context, keep time.Duration) (deleted int64, _ error) {
	for range auditSweepTimes {
		n, err := s.q.DeleteAuditEvents(ctx, queries.DeleteAuditEventsParams{CreatedAt: s.now().Add(-keep), Limit: auditSweepRows})
		deleted += n
		if err != nil || n < auditSweepRows {
			return deleted, fault(err, "")
		}
	}
	return deleted, nil
}
