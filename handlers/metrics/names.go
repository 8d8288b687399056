package metrics

import "github.com/prometheus/client_golang/prometheus"

// all is every description that describe has made.
var all []*prometheus.Desc

func describe(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc("parley_"+name, help, labels, nil)
	all = append(all, d)
	return d
}

// The names follow https://prometheus.io/docs/practices/naming/: base units, and _total for what only rises.
var (
	requestsTotal = describe("requests_total",
		"Requests by route pattern, and by the first digit of the status. The route 'other' is every address that isn't one of Parley's, and what fails before its route is reached or can't even be read.", "method", "route", "class")
	requestSeconds = describe("request_duration_seconds",
		"How long requests took, from having been read until the answer is ready to be written.", "method", "route")

	sendsTotal = describe("sends_total",
		"Messages that somebody sent, by what became of them: stored, replayed (the same client ID again), refused (a rule was broken), unavailable (the database did not take it in time), failed (a fault).", "result")
	sendGroup     = describe("send_group_messages", "How many messages went into the database together.")
	sendsWaiting  = describe("sends_waiting", "Messages that wait for the group before theirs to be committed.")
	lookupGroup   = describe("lookup_group_keys", "How many look-ups of sessions, people or memberships went to the database together.")
	lookupWaiting = describe("lookups_waiting", "Look-ups that wait for the query before theirs.")
	fetchesTotal  = describe("message_fetches_total",
		"Single messages that were asked for, by where they came from: memory, or the database (found there or not).", "source")
	hashing        = describe("password_hashes_running", "Passwords that are being hashed.")
	hashingPlaces  = describe("password_hashes_max", "How many passwords may be hashed at a time.")
	hashingWaiting = describe("password_hashes_waiting", "Passwords that wait to be hashed.")

	poolConnections = describe("database_connections", "Open connections to the database, by state: in_use or idle.", "state")
	poolMax         = describe("database_connections_max", "How many connections to the database may be open at a time.")
	poolWaits       = describe("database_waits_total", "How often a connection to the database had to be waited for.")
	poolWaitSeconds = describe("database_wait_seconds_total", "How long connections to the database were waited for, all waits together.")

	windowsOpen   = describe("windows", "Open windows (WebSockets) on this node.")
	windowsClosed = describe("windows_closed_total",
		"Windows that have ended, by WebSocket close code. 1006 is an end without a code; 'other' is every code that has no line of its own.", "code")
	pushesTotal = describe("pushes_total", "Frames pushed to windows on this node, one for each window.")

	fanoutPublished = describe("fanout_published_total", "Events that Redis has taken for other nodes.")
	fanoutDropped   = describe("fanout_dropped_total", "Events that could not be sent to other nodes. Their windows catch up from the database.")
	fanoutReceived  = describe("fanout_received_total", "Events of other nodes that came here.")
	fanoutWaiting   = describe("fanout_waiting", "Events that wait to be sent to other nodes.")
	fanoutWait      = describe("fanout_publish_delay_seconds", "How long the oldest event of each round trip waited until Redis had taken it.")
	fanoutDelay     = describe("fanout_delivery_delay_seconds", "How long other nodes' events took until they reached the windows here, by the clocks of the two nodes. Clocks that differ show here.")
	fanoutDegraded  = describe("fanout_degraded", "1 while other nodes can't be told or heard, so that their windows poll; 0 otherwise.")
)
