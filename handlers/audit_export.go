package handlers

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"

	"github.com/gofiber/fiber/v2"

	"parley/db/chat"
)

// An export is written as it is read, so that its length costs no memory. It has writeTimeout like every answer: a
// million events take some ten seconds. One that is cut short, by that or by a fault, ends without the end that HTTP has
// for it, so that nobody takes it for whole.

// auditPath is where the export is; it isn't compressed, as the middleware would close what is cut short as if it were whole.
const auditExportPath = "/admin/audit/export"

// exportFormat is a way of writing events down.
type exportFormat struct {
	contentType, file string
	write             func(w io.Writer, events []auditBody) error
	begin             func(w io.Writer) error // nil for nothing
}

var exportFormats = map[string]exportFormat{
	"csv":   {"text/csv; charset=utf-8", "audit.csv", writeCSV, beginCSV},
	"jsonl": {"application/jsonl", "audit.jsonl", writeJSONLines, nil},
}

func (s *Server) exportAudit(c *fiber.Ctx) error {
	format, known := exportFormats[c.Query("format", "csv")]
	if !known {
		return malformed("format", "format is csv or jsonl.")
	}
	q, err := auditQuery(auditFilter(c), s.viewing(c).Zone)
	if err != nil {
		return err
	}
	head := c.Method() == fiber.MethodHead // which reads nothing
	var export *chat.AuditExport
	if !head {
		if export, err = s.Store.ExportAudit(c.UserContext(), actor(c), q); err != nil {
			return err
		}
	}
	c.Set(fiber.HeaderContentType, format.contentType)
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+format.file+`"`)
	if !head {
		c.Context().SetBodyStream(s.exporting(requestIDOf(c), format, export), -1)
	}
	return nil
}

// exporting writes while the answer is sent. Where the client is gone, the next write fails.
func (s *Server) exporting(request string, format exportFormat, export *chat.AuditExport) io.Reader {
	reader, writer := io.Pipe()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		defer cancel()
		err := exportAll(ctx, writer, format, export)
		if err != nil && !errors.Is(err, io.ErrClosedPipe) {
			s.Logger.Error("an export of the audit log was cut short", slog.String("request", request), slog.Any("error", err))
		}
		_ = writer.CloseWithError(err) // nil ends it well
	}()
	return reader
}

func exportAll(ctx context.Context, to io.Writer, format exportFormat, export *chat.AuditExport) error {
	w := bufio.NewWriterSize(to, 64<<10)
	if format.begin != nil {
		if err := format.begin(w); err != nil {
			return err
		}
	}
	for {
		events, err := export.Next(ctx)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return w.Flush()
		}
		if err := format.write(w, mapSlice(events, auditJSON)); err != nil {
			return err
		}
	}
}

func writeJSONLines(w io.Writer, events []auditBody) error {
	lines := json.NewEncoder(w)
	for _, e := range events {
		if err := lines.Encode(e); err != nil {
			return err
		}
	}
	return nil
}

var csvColumns = []string{"id", "timestamp", "actor", "action", "subject", "message", "detail", "ip"}

func beginCSV(w io.Writer) error { return writeRows(w, [][]string{csvColumns}) }

func writeCSV(w io.Writer, events []auditBody) error { return writeRows(w, mapSlice(events, csvRow)) }

// writeRows ends lines with CRLF: RFC 4180, section 2.
func writeRows(w io.Writer, rows [][]string) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return c.WriteAll(rows)
}

func csvRow(e auditBody) []string {
	at, _ := e.Timestamp.MarshalText() // never fails
	row := []string{e.ID, string(at), e.Actor, string(e.Action), "", "", e.Detail, e.IP}
	if e.Subject != nil {
		row[4] = *e.Subject
	}
	if e.Message != nil {
		row[5] = e.Message.String()
	}
	for i, cell := range row {
		row[i] = harmless(cell)
	}
	return row
}

// harmless keeps a spreadsheet from taking a cell for a formula, by an apostrophe before it. What makes a formula is
// listed in OWASP's CSV Injection page, the full-width forms included; white space before it doesn't help.
func harmless(cell string) string {
	const makesFormula = "=+-@\t\r\n＝＋－＠"
	if strings.ContainsAny(firstOf(cell), makesFormula) || strings.ContainsAny(firstOf(strings.TrimSpace(cell)), makesFormula) {
		return "'" + cell
	}
	return cell
}

func firstOf(text string) string {
	for _, r := range text {
		return string(r)
	}
	return ""
}
