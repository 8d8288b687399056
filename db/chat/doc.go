// Package chat holds the rules of Parley: who may do what, and what is true of the data afterwards. It speaks to the
// database through package queries and knows nothing of HTTP, pages or WebSockets; those layers call one method of
// Store a request and show what it says.
//
// # Vocabulary
//
// A User is somebody with an account. A Conversation is the one thread between two users; a user may also write to
// themself (notes). A Message is one text in a conversation. Its seq is its number in the conversation, 1..N without
// holes; its MessageID is the conversation's number and the seq, such as 7-42. The conversation's rev counts changes:
// every new message takes the next one, so "what changed since rev r" is one indexed read. Watermarks say how far each
// of the two has read. A client ID is a UUID that the sender makes, so that a retry is not a second message.
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
