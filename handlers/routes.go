package handlers

import "parley/static"

// routes is every URL of Parley. Middleware stands before what it guards.
func (s *Server) routes() {
	a := s.app
	a.Use(requestID, s.accessLog, s.contain, securityHeaders)
	a.Get("/healthz", alive)
	a.Get("/readyz", s.ready)
	a.Get(static.Prefix+":name", asset)

	a.Use(private, compressed, s.sameOrigin, s.identify)
	a.Get("/", home)
	a.Get("/login", s.showLogin)
	a.Post("/login", s.login)
	a.Post("/logout", s.logout)

	a.Get("/users", s.signedIn, s.listUsers)
	a.Get("/users/:username", s.signedIn, s.showUser)
	a.Get("/conversations", s.signedIn, s.listConversations)
	a.Get("/conversations/:username", s.signedIn, s.showConversation)
	a.Put("/conversations/:username/read", s.signedIn, s.markRead)
	a.Get("/messages", s.signedIn, s.listMessages)
	a.Post("/messages", s.signedIn, s.sendMessage)
	a.Get("/messages/:id", s.signedIn, s.showMessage)
	a.Get("/ws", s.signedIn, s.ownOrigin, s.openWindow)
}
