// Package throttle says how often something may be done: so many times at once, and then one more each so often. It
// counts in memory, or in Redis for several nodes. It knows nothing of HTTP.
package throttle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Rule is how often something may be done under one key.
type Rule struct {
	Name  string        // what is counted; rules of one name share their counts
	Burst int           // how often at once
	Every time.Duration // after which time once more
	Local bool          // each node counts for itself, since asking Redis would cost more than it is worth
}

// Throttle counts. Nil counts nothing and allows everything. It is safe for concurrent use.
type Throttle struct {
	memory *memory
	shared redis.Scripter // nil: there is only this node
	log    *slog.Logger
	away   atomic.Int64 // until when Redis isn't asked again, in nanoseconds since 1970; 0 while it answers
}

// New makes a Throttle that counts in memory.
func New() *Throttle { return &Throttle{memory: newMemory(mostKeys)} }

// NewShared makes a Throttle that counts in Redis, so that several nodes count together. While Redis is away each node
// counts for itself, from nothing on: nobody is ever refused because Redis can't be asked.
func NewShared(client redis.Scripter, log *slog.Logger) *Throttle {
	return &Throttle{memory: newMemory(mostKeys), shared: client, log: log}
}

// Take counts once, and gives 0; or, where that would be too often, counts nothing and gives how long to wait.
func (t *Throttle) Take(ctx context.Context, r Rule, key string) time.Duration {
	if t == nil {
		return 0
	}
	if wait, ok := t.ask(ctx, takeScript, r, key); ok {
		return wait
	}
	return t.memory.take(r, r.Name+"\x00"+key)
}

// Give takes one count back, of what turned out not to be what is counted.
func (t *Throttle) Give(ctx context.Context, r Rule, key string) {
	if t == nil {
		return
	}
	if _, ok := t.ask(ctx, giveScript, r, key); !ok {
		t.memory.give(r, r.Name+"\x00"+key)
	}
}

const (
	askWithin = 200 * time.Millisecond // far longer than Redis needs, and short enough for somebody who waits
	awayFor   = 2 * time.Second        // between two tries while Redis doesn't answer
)

// ask has Redis count. It says no where Redis isn't to be asked, or doesn't answer.
func (t *Throttle) ask(ctx context.Context, script *redis.Script, r Rule, key string) (time.Duration, bool) {
	if t.shared == nil || r.Local || !t.mayAsk(time.Now()) {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
	defer cancel()
	wait, err := script.Run(ctx, t.shared, []string{redisKey(r, key)}, r.Every.Microseconds(), r.Burst).Int64()
	if err != nil {
		t.failed(err)
		return 0, false
	}
	if t.away.Swap(0) != 0 {
		t.log.Info("Redis counts again how often things are done, for all nodes together.")
	}
	return time.Duration(wait) * time.Microsecond, true
}

// mayAsk lets one caller in so often try while Redis is away.
func (t *Throttle) mayAsk(now time.Time) bool {
	until := t.away.Load()
	return until == 0 || now.UnixNano() >= until && t.away.CompareAndSwap(until, now.Add(awayFor).UnixNano())
}

func (t *Throttle) failed(err error) {
	if t.away.Swap(time.Now().Add(awayFor).UnixNano()) == 0 {
		t.log.Warn("Redis can't be asked how often things were done. Until it answers, each node counts for itself.", "error", err)
	}
}

// redisKey has no names or addresses in it.
func redisKey(r Rule, key string) string {
	sum := sha256.Sum256([]byte(key))
	return "parley:throttle:" + r.Name + ":" + hex.EncodeToString(sum[:16])
}

// Both scripts keep one number for a key: the time, in microseconds by Redis' own clock, when nothing would be counted
// any more (the generic cell rate algorithm, ITU-T I.371 annex A). Redis forgets the key then.
var (
	takeScript = redis.NewScript(`
local every, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local free = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + every
local wait = free - now - burst * every
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil((free - now) / 1000))
return 0`)
	giveScript = redis.NewScript(`
local every = tonumber(ARGV[1])
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local free = tonumber(redis.call('GET', KEYS[1]) or '0') - every
if free <= now then redis.call('DEL', KEYS[1]) return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil((free - now) / 1000))
return 0`)
)
