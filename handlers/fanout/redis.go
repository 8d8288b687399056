package fanout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"parley/db/chat"
)

// Redis is the Fanout of several nodes: each user has a channel, which a node follows while it has a window of that user.
// Sharded channels are used where the server has them (Redis 7), plain ones elsewhere.
//
// Redis is a hint, as every push is. This node's windows are told at once, without Redis. What other nodes miss while
// Redis is away, while this node is cut off from it, or because more was notified than could be sent, their windows fetch
// after the chat.EventCheck that follows. A node that can't reach Redis knows so, and has its own windows poll. The others
// find it out by its silence: each node says every second that it is there, and one that has been heard and falls silent
// without a goodbye has the others' windows poll as well, within peerSilence, until it is heard again; or for peerMissed,
// when it is taken for dead. So a node that was killed costs the others two minutes of polling. Not found out are a node
// that was already cut off when it, or whoever should miss it, started, and one that is cut off for longer than
// peerMissed: what they couldn't send others hear of when they are back.
type Redis struct {
	client    redis.UniversalClient
	node      nodeID
	name      string // for people
	deliver   func(chat.Event)
	lanes     []*lane
	publisher *publisher
	health    *health
	counts    counts
	talk      *talk
	tracer    chat.Tracer // nil where nobody wants to know
	peers     *peers
	plain     atomic.Bool // the server has no sharded channels
	stop      context.CancelFunc
	running   sync.WaitGroup
}

const (
	// answerWithin bounds each exchange with Redis, so that a server that stands still is noticed.
	answerWithin = time.Second
	// poolSize leaves room for the publisher, and for each lane's question about the server when all reconnect.
	poolSize = 4
	// clusterLanes is how many connections subscribe in a cluster. It is a part of the channels' names, so that all nodes
	// must agree on it.
	clusterLanes = 16
)

// ErrRedisURL is of an address that isn't one. Its text never holds the address, which may hold a password.
var ErrRedisURL = errors.New("redis-url is an address such as redis://user:password@localhost:6379/0, rediss:// for TLS; " +
	"for a cluster redis://one:6379?addr=two:6379&addr=three:6379")

// CheckRedisURL says what is wrong with an address for NewRedis, without connecting to it.
func CheckRedisURL(address string) error {
	client, err := connect(address)
	if err != nil {
		return err
	}
	return client.Close()
}

// Client is a connection to the Redis that a URL names, with the same settings as the Fanout's own, for what else is kept
// there. It dials when it is first used, and each exchange fails within a second.
func Client(address string) (redis.UniversalClient, error) { return connect(address) }

// NewRedis makes a Fanout over the Redis that a URL names: redis://, rediss:// with TLS or unix://; several nodes of a
// cluster are given by addr parameters. The name is what other nodes' logs call this one. It does not wait for Redis, which
// may be away and come back at any time. The only error is that of a bad URL.
func NewRedis(address, name string, log *slog.Logger) (*Redis, error) {
	client, err := connect(address)
	if err != nil {
		return nil, err
	}
	redis.SetLogger(quiet{log})
	r := &Redis{client: client, health: newHealth(log), counts: newCounts(), talk: newTalk(), deliver: func(chat.Event) {}}
	_, _ = rand.Read(r.node[:]) // never fails since Go 1.24
	r.name = name
	r.peers = newPeers(log, func() { r.deliver(chat.Event{Type: chat.EventCheck}) })
	r.publisher = newPublisher(r)
	lanes := 1
	if _, cluster := client.(*redis.ClusterClient); cluster {
		lanes = clusterLanes
	}
	for n := range lanes {
		r.lanes = append(r.lanes, newLane(r, n))
	}
	return r, nil
}

// connect makes a client, which dials when it is first used. Nothing is tried twice: whoever fails reports it, so that
// windows begin to poll, and tries again by itself.
func connect(address string) (redis.UniversalClient, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, ErrRedisURL
	}
	if u.Query().Has("addr") {
		o, err := redis.ParseClusterURL(address)
		if err != nil {
			return nil, fmt.Errorf("%w (%w)", ErrRedisURL, err)
		}
		o.MaxRetries, o.MaxRedirects, o.PoolSize, o.Protocol, o.DisableIdentity, o.ContextTimeoutEnabled = -1, 3, poolSize, 2, true, true
		o.DialerRetries = 1
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout = answerWithin, answerWithin, answerWithin
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrRedisURL, err)
	}
	o.MaxRetries, o.PoolSize, o.Protocol, o.DisableIdentity, o.ContextTimeoutEnabled = -1, poolSize, 2, true, true
	o.DialerRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = answerWithin, answerWithin, answerWithin
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

// quiet takes the client's own remarks, of which there is one for each failed attempt.
type quiet struct{ log *slog.Logger }

// Printf implements the client's logger.
func (q quiet) Printf(ctx context.Context, format string, v ...any) {
	if q.log.Enabled(ctx, slog.LevelDebug) {
		q.log.DebugContext(ctx, "Redis client", "remark", fmt.Sprintf(format, v...))
	}
}

// Subscribe implements Fanout, and connects.
func (r *Redis) Subscribe(deliver func(chat.Event)) {
	r.deliver = deliver
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	r.running.Go(func() { r.publisher.run(ctx) })
	r.running.Go(func() { r.peers.run(ctx) })
	for _, l := range r.lanes {
		r.health.starts(l)
		r.running.Go(func() { l.run(ctx) })
	}
}

// Notify implements chat.Notifier: this node's windows at once, others' as soon as Redis takes it.
func (r *Redis) Notify(events ...chat.Event) {
	for _, e := range events {
		r.deliver(e)
	}
	r.publisher.add(events)
}

// Follow implements Fanout.
func (r *Redis) Follow(user uint64) { r.laneOf(user).follow(user) }

// Unfollow implements Fanout.
func (r *Redis) Unfollow(user uint64) { r.laneOf(user).unfollow(user) }

// Await implements Fanout.
func (r *Redis) Await(ctx context.Context, user uint64) { r.laneOf(user).await(ctx, user) }

// Ready implements Fanout. Its error is ErrPeerSilent while all is well but for other nodes' silence.
func (r *Redis) Ready() error {
	if err := r.health.err(); err != nil {
		return fmt.Errorf("redis can't be reached: %w", err)
	}
	return r.peers.err()
}

// Lost is how many events could not be sent to other nodes since the start.
func (r *Redis) Lost() uint64 { return r.publisher.lostEver.Load() }

// Close implements Fanout.
func (r *Redis) Close() {
	if r.stop != nil {
		r.stop()
	}
	r.running.Wait()
	_ = r.client.Close() // what it can't close is gone already
}

func (r *Redis) laneOf(user uint64) *lane { return r.lanes[user%uint64(len(r.lanes))] }

// userChannel is where one user's events go. In a cluster the number in braces decides on which server that is, so that
// one connection can follow all users of a lane.
func userChannel(user uint64) string {
	return "parley:{" + strconv.FormatUint(user%clusterLanes, 10) + "}:user:" + strconv.FormatUint(user, 10)
}

// commonChannel is what every node's lane follows as long as it is connected, whoever has windows there.
func commonChannel(lane int) string { return "parley:{" + strconv.Itoa(lane) + "}:all" }

// channelOf is where an event goes: to one user, or to every node.
func channelOf(e chat.Event) string {
	if e.To == 0 {
		return commonChannel(0)
	}
	return userChannel(e.To)
}

// heard takes an envelope from Redis to this node's windows.
func (r *Redis) heard(envelope string) {
	if envelope == "" || sentBy(envelope, r.node) || r.heardTalk(envelope) {
		return // a question about the server, the echo of what was delivered here already, or no event
	}
	switch sign, node, name := openSign(envelope); sign {
	case signAlive:
		r.peers.beat(node, name)
	case signGoodbye:
		r.peers.leave(node)
	default:
		if e, sent, err := openStamped(envelope); err == nil {
			r.deliver(e)
			r.counts.heard(sent)
		}
	}
}

// broken notes that a part of the way is. From now on windows may miss something.
func (r *Redis) broken(part any, err error) {
	if r.health.breaks(part, err) {
		r.deliver(chat.Event{Type: chat.EventCheck})
	}
}

// look finds out whether the server has sharded channels, by using one. An error says that it can't be asked.
func (r *Redis) look(ctx context.Context, channel string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*answerWithin)
	defer cancel()
	err := r.client.SPublish(ctx, channel, "").Err()
	var said redis.Error
	if errors.As(err, &said) && (strings.HasPrefix(said.Error(), "ERR unknown command") || strings.HasPrefix(said.Error(), "NOPERM")) {
		r.plain.Store(true)
		return r.client.Publish(ctx, channel, "").Err()
	}
	if err == nil {
		r.plain.Store(false)
	}
	return err
}
