package chat

// EventType says what an Event is about.
type EventType string

// The types of Event.
const (
	EventMessage      EventType = "message"       // a message was made or changed
	EventRead         EventType = "read"          // the user's own watermark rose, on whichever device
	EventSessionEnded EventType = "session_ended" // windows must close
	EventSessionMoved EventType = "session_moved" // windows must open anew, as the session has another token
	EventCheck        EventType = "check"         // windows may have missed something, and are to catch up
)

// Event tells one user's windows, on every node, of something that has been committed. It carries names and numbers,
// never a body: whoever hears it fetches, and the fetch checks the permission.
type Event struct {
	Type    EventType
	To      uint64    // the user whose windows hear it; EventCheck: 0 means everybody's
	With    string    // the other person's username, as that user sees the conversation
	ID      MessageID // EventMessage: which message
	Rev     uint64    // EventMessage: the message's rev
	Seq     uint64    // EventRead: the new watermark
	Session []byte    // EventSessionEnded, -Moved: the session's hash as it was; empty means all of the user's
}

// Notifier takes events to the windows. Notify is called after the commit, must not block, and may lose an event: the
// windows find out by catching up.
type Notifier interface {
	Notify(events ...Event)
}

// NotifierFunc is a function as a Notifier.
type NotifierFunc func(events ...Event)

// Notify calls f.
func (f NotifierFunc) Notify(events ...Event) { f(events...) }
