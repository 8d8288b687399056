package handlers

import (
	"bytes"
	"context"
	"crypto/rand"
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
	// maxUploads is how many uploads one person can have under way on a node, and maxUploadsHere how many all together can:
	// 16 MB each, and people who mean no good have as many accounts as they like where everybody may sign up.
	maxUploads     = 2
	maxUploadsHere = 12
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
	if err != nil {
		return fasthttp.RequestConfig{}
	}
	id, ok := s.uploads.begin(session.User)
	if !ok {
		return fasthttp.RequestConfig{}
	}
	h.Set(uploadHeader, id)
	return fasthttp.RequestConfig{MaxRequestBodySize: maxPhotoUpload, ReadTimeout: uploadTime}
}

// uploadHeader tells setPhoto which upload the request is: one that was given no room never began, and mustn't end another.
// Clients can't know such an ID.
const uploadHeader = "Parley-Upload"

// uploads are those under way. One that is never read to its end isn't told of; it is over when its time is.
type uploads struct {
	mu    sync.Mutex
	began map[string]oneUpload
}

type oneUpload struct {
	user uint64
	at   time.Time
}

func (u *uploads) begin(user chat.User) (id string, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	own := 0
	for id, one := range u.began {
		if time.Since(one.at) > uploadTime {
			delete(u.began, id)
		} else if one.user == user.ID {
			own++
		}
	}
	if own >= maxUploads || len(u.began) >= maxUploadsHere {
		return "", false
	}
	if u.began == nil {
		u.began = map[string]oneUpload{}
	}
	id = rand.Text()
	u.began[id] = oneUpload{user.ID, time.Now()}
	return id, true
}

func (u *uploads) end(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.began, id)
}
