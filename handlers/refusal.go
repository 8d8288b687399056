package handlers

import (
	"errors"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
)

// refusal is an error that only HTTP knows of, with its status and a text for people: what happened and what to do.
type refusal struct {
	status int
	text   string
	after  time.Duration // how long to wait before trying again, 0 where that changes nothing
}

func (r *refusal) Error() string { return r.text }

// announceWait says in a header when to try again, where an error knows.
func announceWait(c *fiber.Ctx, err error) {
	if r, ok := errors.AsType[*refusal](err); ok && r.after > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(wholeSeconds(r.after)))
	}
}

// wholeSeconds rounds up: whoever comes then is not too early.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
