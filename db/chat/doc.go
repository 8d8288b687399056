// Package chat holds the rules of Parley: who may do what, and what is true of the data afterwards. It speaks to the
// database through package queries and knows nothing of HTTP, pages or WebSockets; those layers call Store
// and show what it says: one method for each thing that somebody does.
//
// # Vocabulary
//
// A User is somebody with an account. A Conversation is the one thread between two users; a user may also write to
// themself (notes). A Message is one text in a conversation. Its seq is its number in the conversation, 1..N without
// holes; its MessageID is the conversation's number and the seq, such as 7-42. The conversation's rev counts changes:
// every new message takes the next one, so "what changed since rev r" is one indexed read. Watermarks say how far each
// of the two has read. A client ID is a UUID that the sender makes, so that a retry is not a second message. A block
// keeps either of two people from sending to the other, and a report shows a message to the admins. A Window is
// one open WebSocket, and an Event is what windows are told. A posting is a message on its way into the database; postings
// that wait go together as a group, by the lane of their conversation's home, the pool that writes it. What the database
// said a moment ago is recalled.
//
// # The way of a message
//
// [Store.SendMessage] (message.go) checks the draft (draft.go), for which it looks the recipient up together with whatever
// other requests look up (lookup.go). The posting joins a group (group.go), or waits apart where somebody holds its
// conversation (held.go). One transaction locks or makes the group's conversations (conversation.go), writes the messages
// and moves the conversations on. After the commit the messages are kept for those who are about to fetch them
// (recent.go), and the Notifier hears of them: package fanout takes it to other nodes, and the hub to the windows here.
//
// # What is promised
//
//  1. A send that returned without error is committed: exactly one row, for ever. The same client ID from the same
//     sender in the same conversation gives the same message again; with another body it is an error of kind Conflict.
//  2. seq and rev are handed out by the conversation's row inside the sending transaction. Whoever can read seq n can
//     read every seq below it, and both people see one order.
//  3. A Notifier hears of a change only after its commit. It is a hint; the database is the truth, and Changes tells
//     anybody who missed a hint what it was about.
//  4. The look-up is the permission: a conversation is found through one of its two people or not at all, and what
//     somebody may not see answers exactly as if it did not exist (kind NotFound).
//  5. Watermarks never fall.
package chat
