package handlers

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/a-h/templ"

	"parley/db/chat"
	"parley/views"
)

// archive is somebody's export as a ZIP file: data.json for programs, index.html with a page for each conversation for
// people, and the photo. It is written as it is read, so that its size costs no memory.
type archive struct {
	export *chat.Export
	v      views.Viewing
	photo  string // the photo's name in the archive, "" where there is none
}

func (a archive) write(ctx context.Context, to io.Writer) error {
	z := zip.NewWriter(to)
	for _, part := range []func(context.Context, *zip.Writer) error{a.writePhoto, a.writeIndex, a.writeConversations, a.writeData} {
		if err := part(ctx, z); err != nil {
			return err
		}
	}
	return z.Close()
}

func (a *archive) create(z *zip.Writer, name string) (io.Writer, error) {
	return z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: a.export.At})
}

func (a *archive) photoName(ctx context.Context) (string, chat.Picture, error) {
	photo, there, err := a.export.Photo(ctx)
	if err != nil || !there {
		return "", photo, err
	}
	return "photo." + extension(photo), photo, nil
}

func (a *archive) writePhoto(ctx context.Context, z *zip.Writer) error {
	name, photo, err := a.photoName(ctx)
	if err != nil || name == "" {
		return err
	}
	a.photo = name
	w, err := a.create(z, name)
	if err != nil {
		return err
	}
	_, err = w.Write(photo.Large)
	return err
}

func conversationFile(c chat.Conversation) string { return fmt.Sprintf("conversations/%d.html", c.ID) }

// page writes an HTML page whose body f writes.
func (a *archive) page(ctx context.Context, z *zip.Writer, name, title string, f func(render func(templ.Component) error) error) error {
	w, err := a.create(z, name)
	if err != nil {
		return err
	}
	var failed error
	body := templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		failed = f(func(c templ.Component) error { return c.Render(ctx, w) })
		return failed
	})
	return errors.Join(views.In(views.ExportHead(title), body).Render(ctx, w), failed)
}

func (a *archive) writeIndex(ctx context.Context, z *zip.Writer) error {
	return a.page(ctx, z, "index.html", "Your data", func(render func(templ.Component) error) error {
		if err := render(views.ExportedProfile(a.v, a.export.Profile, a.photo)); err != nil {
			return err
		}
		for c, err := range a.export.Conversations(ctx) {
			if err != nil {
				return err
			}
			if err := render(views.ExportedRow(a.v, c, conversationFile(c))); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *archive) writeConversations(ctx context.Context, z *zip.Writer) error {
	for c, err := range a.export.Conversations(ctx) {
		if err != nil {
			return err
		}
		title := views.ConversationName(a.v.Viewer, c.With)
		err := a.page(ctx, z, conversationFile(c), title, func(render func(templ.Component) error) error { return a.writeThread(ctx, c, render) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) writeThread(ctx context.Context, c chat.Conversation, render func(templ.Component) error) error {
	if err := render(views.ExportedConversation(a.v, c)); err != nil {
		return err
	}
	var before chat.Message
	for m, err := range a.export.Messages(ctx, c) {
		if err != nil {
			return err
		}
		if before.ID.IsZero() || !a.v.SameDay(before, m) {
			if err := render(views.ExportedDay(a.v, m)); err != nil {
				return err
			}
		}
		if err := render(views.ExportedMessage(a.v, m)); err != nil {
			return err
		}
		before = m
	}
	return nil
}

type exportedSession struct {
	CreatedAt timestamp `json:"created_at"`
	SeenAt    timestamp `json:"seen_at"`
	ExpiresAt timestamp `json:"expires_at"`
	UserAgent string    `json:"user_agent"`
	IP        string    `json:"ip"`
}

func exportedSessionJSON(s chat.ExportedSession) exportedSession {
	return exportedSession{timestamp(s.CreatedAt), timestamp(s.SeenAt), timestamp(s.ExpiresAt), s.UserAgent, s.IP}
}

type exportedEvent struct {
	ID        string           `json:"id"`
	Timestamp timestamp        `json:"timestamp"`
	Own       bool             `json:"own"` // the person did it
	Action    chat.AuditAction `json:"action"`
	Subject   *string          `json:"subject"`
	Message   *chat.MessageID  `json:"message"`
	Detail    string           `json:"detail"`
	IP        string           `json:"ip"`
}

func exportedEventJSON(e chat.ExportedEvent) exportedEvent {
	body := exportedEvent{ID: strconv.FormatUint(e.ID, 10), Timestamp: timestamp(e.At), Own: e.Own, Action: e.Action, Subject: optionalText(e.Subject), Detail: e.Detail, IP: e.IP}
	if !e.Message.IsZero() {
		body.Message = &e.Message
	}
	return body
}

type exportedProfile struct {
	ownProfileBody
	CreatedAt timestamp  `json:"created_at"`
	SeenAt    *timestamp `json:"seen_at"`
}

// writeData writes one object piece by piece.
func (a *archive) writeData(ctx context.Context, z *zip.Writer) error {
	w, err := a.create(z, "data.json")
	if err != nil {
		return err
	}
	p := a.export.Profile
	o := &jsonWriter{w: w}
	o.raw("{\n").field("exported_at", timestamp(a.export.At)).raw(",\n")
	o.field("profile", exportedProfile{ownProfileJSON(p), timestamp(p.CreatedAt), optionalTime(p.LastSeenAt)}).raw(",\n")
	tokens, err := a.export.Tokens(ctx)
	o.fail(err)
	factors, err := a.export.Factors(ctx)
	o.fail(err)
	o.field("second_factors", factorsJSON(factors, nil)).raw(",\n")
	o.field("tokens", mapSlice(tokens, tokenJSON)).raw(",\n")
	writeList(o, "sessions", a.export.Sessions(ctx), exportedSessionJSON)
	writeList(o, "blocks", a.export.Blocks(ctx), blockJSON)
	writeList(o, "invitations", a.export.Invitations(ctx), invitationJSON)
	writeList(o, "reports", a.export.Reports(ctx), ownReportJSON)
	writeList(o, "audit_events", a.export.Events(ctx), exportedEventJSON)
	o.raw(`"conversations": [`)
	for c, err := range a.export.Conversations(ctx) {
		if o.fail(err); o.err != nil {
			break
		}
		a.writeMessages(ctx, o, c)
	}
	return o.end("]\n}\n").err
}

// writeList writes one of several lists of the object.
func writeList[T, B any](o *jsonWriter, name string, items iter.Seq2[T, error], body func(T) B) {
	o.raw(`"` + name + `": [`)
	if o.err == nil {
		for item, err := range items {
			if !o.item(body(item), err) {
				break
			}
		}
	}
	o.end("],\n")
}

func (a *archive) writeMessages(ctx context.Context, o *jsonWriter, c chat.Conversation) {
	o.comma()
	o.raw("\n{").field("with", userJSON(c.With)).raw(`, "messages": [`)
	inner := &jsonWriter{w: o.w, err: o.err}
	for m, err := range a.export.Messages(ctx, c) {
		if !inner.item(messageJSON(m), err) {
			break
		}
	}
	o.err = inner.end("]}").err
}

// jsonWriter writes lists that are too long to be held, and keeps the first error.
type jsonWriter struct {
	w     io.Writer
	items int // in the list that is being written
	err   error
}

func (o *jsonWriter) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

func (o *jsonWriter) raw(text string) *jsonWriter {
	if o.err == nil {
		_, o.err = io.WriteString(o.w, text)
	}
	return o
}

func (o *jsonWriter) value(v any) *jsonWriter {
	text, err := json.Marshal(v)
	o.fail(err)
	return o.raw(string(text))
}

func (o *jsonWriter) field(name string, v any) *jsonWriter { return o.raw(`"` + name + `": `).value(v) }

func (o *jsonWriter) comma() {
	if o.items++; o.items > 1 {
		o.raw(",")
	}
}

// item says whether to go on.
func (o *jsonWriter) item(v any, err error) bool {
	if o.fail(err); o.err == nil {
		o.comma()
		o.raw("\n").value(v)
	}
	return o.err == nil
}

// end closes a list.
func (o *jsonWriter) end(text string) *jsonWriter {
	o.items = 0
	return o.raw("\n" + text)
}
