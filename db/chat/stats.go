package chat

import (
	"database/sql"
	"sync/atomic"

	"parley/db/meter"
)

// Stats is what a Store has done since it was made, and what it is doing now.
type Stats struct {
	Stored      uint64 // messages that were sent and committed
	Replayed    uint64 // sends of a message that was stored before
	Refused     uint64 // sends that broke a rule
	Unavailable uint64 // sends that the database did not take in time
	Failed      uint64 // sends that met a fault

	SendGroups     meter.Snapshot // how many messages went into the database together
	LookupGroups   meter.Snapshot // how many look-ups, of sessions, people and memberships, went together
	SendsWaiting   int            // sends that wait for the group before theirs
	LookupsWaiting int

	FromMemory   uint64 // single messages that were fetched and needed no database
	FromDatabase uint64 // single messages that were looked for in the database, found or not

	Hashing       int // passwords that are being hashed
	HashingPlaces int // how many may be at a time
	HashesWaiting int

	Pool sql.DBStats
}

// counts is where a Store counts.
type counts struct {
	stored, replayed, refused, unavailable, failed atomic.Uint64
	sendGroups, lookupGroups                       *meter.Histogram
	fromMemory, fromDatabase                       atomic.Uint64
	hashesWaiting                                  atomic.Int64
}

// sent counts a send by what became of it.
func (c *counts) sent(replayed bool, err error) {
	switch kind := KindOf(err); {
	case err == nil && replayed:
		c.replayed.Add(1)
	case err == nil:
		c.stored.Add(1)
	case kind == Unavailable:
		c.unavailable.Add(1)
	case kind != 0:
		c.refused.Add(1)
	default:
		c.failed.Add(1)
	}
}

// Stats may be called at any time, and costs no query.
func (s *Store) Stats() Stats {
	c := &s.counts
	stats := Stats{
		Stored: c.stored.Load(), Replayed: c.replayed.Load(), Refused: c.refused.Load(), Unavailable: c.unavailable.Load(),
		Failed: c.failed.Load(), SendGroups: c.sendGroups.Snapshot(), LookupGroups: c.lookupGroups.Snapshot(),
		LookupsWaiting: s.sessions.group.waiting() + s.people.group.waiting() + s.standings.group.waiting(),
		FromMemory:     c.fromMemory.Load(), FromDatabase: c.fromDatabase.Load(),
		Hashing: len(s.hashing), HashingPlaces: cap(s.hashing), HashesWaiting: int(c.hashesWaiting.Load()),
		Pool: s.db.Stats(),
	}
	s.lanes.Range(func(home, lanes any) bool {
		if home != s.db {
			stats.Pool = bothPools(stats.Pool, home.(*sql.DB).Stats())
		}
		for i := range lanes.(*[postLanes]grouped[*posting]) {
			stats.SendsWaiting += lanes.(*[postLanes]grouped[*posting])[i].waiting()
		}
		return true
	})
	return stats
}

// bothPools adds up what two pools have and had.
func bothPools(a, b sql.DBStats) sql.DBStats {
	return sql.DBStats{
		MaxOpenConnections: a.MaxOpenConnections + b.MaxOpenConnections,
		OpenConnections:    a.OpenConnections + b.OpenConnections, InUse: a.InUse + b.InUse, Idle: a.Idle + b.Idle,
		WaitCount: a.WaitCount + b.WaitCount, WaitDuration: a.WaitDuration + b.WaitDuration,
		MaxIdleClosed: a.MaxIdleClosed + b.MaxIdleClosed, MaxIdleTimeClosed: a.MaxIdleTimeClosed + b.MaxIdleTimeClosed,
		MaxLifetimeClosed: a.MaxLifetimeClosed + b.MaxLifetimeClosed,
	}
}
