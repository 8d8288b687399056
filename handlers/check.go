package handlers

// checkFrame tells a window that it may have missed something.
var checkFrame = []byte(`{"type":"check"}`)

// check has the windows of a user, or of everybody for 0, catch up from the database.
func (s *Server) check(user uint64) {
	if user != 0 {
		s.hub.Push(user, checkFrame)
		return
	}
	for _, user := range s.hub.Users() {
		s.hub.Push(user, checkFrame)
	}
}
