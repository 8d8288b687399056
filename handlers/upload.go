package handlers

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"parley/db/chat"
)

const (
	photoPath = "/account/photo"
	// maxPhoto is the largest file, in octets. Twice that is read, so that whoever sends too large a one is told: from what is
	// larger still the server turns away before it is read, and a browser shows that its connection broke. All of it is held
	// in memory, as fasthttp puts files aside only from 16 MB on.
	maxPhoto       = 8 << 20
	maxPhotoUpload = 2*maxPhoto - 64<<10
	// uploadTime is what 8 MB take at 1 Mbit/s, and a little more.
	uploadTime = 90 * time.Second
	// maxUploads is how many uploads one person can have under way on a node: 64 MB.
	maxUploads = 4
	// lookTime is how long finding out who uploads may take.
	lookTime = 3 * time.Second
)

// limits gives a photo more room than other requests have, before its body is read, and only to whoever is signed in: to
// others it would be a way to fill the memory. All other requests keep the limits of the server.
func (s *Server) limits(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if !h.IsPost() || !bytes.Equal(h.RequestURI(), []byte(photoPath)) {
		return fasthttp.RequestConfig{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	session, err := s.Store.SessionByToken(ctx, string(h.Cookie(s.sessions.name)))
	if err != nil || !s.uploads.begin(session.User) {
		return fasthttp.RequestConfig{}
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: maxPhotoUpload, ReadTimeout: uploadTime}
}

// uploads counts what each person uploads. An upload that is never read to its end isn't told of; it is over when its time
// is.
type uploads struct {
	mu    sync.Mutex
	began map[uint64][]time.Time
}

func (u *uploads) begin(user chat.User) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.began == nil {
		u.began = map[uint64][]time.Time{}
	}
	u.sweep()
	if len(u.began[user.ID]) >= maxUploads {
		return false
	}
	u.began[user.ID] = append(u.began[user.ID], time.Now())
	return true
}

// end takes one off; which one makes no difference worth knowing.
func (u *uploads) end(user chat.User) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if list := u.began[user.ID]; len(list) > 0 {
		u.began[user.ID] = list[1:]
	}
}

func (u *uploads) sweep() {
	for user, list := range u.began {
		list = slices.DeleteFunc(list, func(at time.Time) bool { return time.Since(at) > uploadTime })
		if u.began[user] = list; len(list) == 0 {
			delete(u.began, user)
		}
	}
}
