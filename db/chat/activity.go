package chat

import (
	"context"

	"parley/queries"
)

// unheard are the actions that whoever they are about doesn't hear of: a report names who made it.
var unheard = []string{string(AuditReport), string(AuditCloseReport)}

// Activity lists what was done to the actor's account and to the messages that they wrote, by themself and by others,
// newest first, from a cursor on ("" for the newest). A limit of 0 is the default. Of others' acts it doesn't say from
// where, nor the details; of sign-ins that failed it says from where.
func (s *Store) Activity(ctx context.Context, actor Actor, after string, limit int) (Page[AuditEvent], error) {
	before, err := auditCursor(after)
	if err != nil {
		return Page[AuditEvent]{}, err
	}
	search := queries.AuditSearch{BeforeID: before, Subject: actor.User.ID, Without: unheard}
	page, err := s.auditPage(ctx, auditSearch{AuditSearch: search}, clampLimit(limit, defaultAuditEvents))
	for i, e := range page.Items {
		if e.Actor != "" && e.Actor != e.Subject {
			page.Items[i].IP, page.Items[i].Detail = "", ""
		}
	}
	return page, err
}
