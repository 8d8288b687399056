package handlers

import "parley/static"

// routes is every URL of Parley. Middleware stands before what it guards.
func (s *Server) routes() {
	a := s.app
	a.Use(prepared, s.addressed, s.measured, s.leaving, s.accessLog, s.contain)
	a.Get("/healthz", alive)
	a.Get("/readyz", s.ready)
	a.Get(static.Prefix+":name", asset)
	a.Get("/metrics", s.showMetrics())

	a.Use(private, compressed, bounded, s.sameOrigin, s.identify)
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

	a.Use("/account", s.signedIn)
	a.Get("/account", accountHome)
	a.Get("/account/profile", s.showOwnProfile)
	a.Post("/account/profile", s.editOwnProfile)
	a.Get("/account/tokens", s.listTokens)
	a.Post("/account/tokens", s.createToken)
	a.Post("/account/tokens/:id/revoke", s.revokeToken)

	a.Use("/admin", s.signedIn, adminOnly, s.noticed)
	a.Get("/admin", adminHome)
	a.Get("/admin/users", s.listAccounts)
	a.Get("/admin/new-user", s.newAccount)
	a.Post("/admin/users", s.createAccount)
	a.Get("/admin/users/:username", s.showAccount)
	a.Post("/admin/users/:username", s.editAccount)
	a.Post("/admin/users/:username/disable", s.disableAccount)
	a.Post("/admin/users/:username/enable", s.enableAccount)
	a.Post("/admin/users/:username/end-sessions", s.endSessions)
	a.Get("/admin/messages", s.listAllMessages)
	a.Get("/admin/messages/:id", s.showFacts)
	a.Post("/admin/messages/:id/body", s.openBody)
	a.Get("/admin/audit", s.listAuditEvents)
	a.Get("/admin/place", s.showPlace)
	a.Post("/admin/place", s.editPlace)
	a.Get("/admin/live", s.showLive)
	a.Get("/admin/pprof/:name", s.takeProfile)

	a.Get("/ws", handshake, s.signedIn, s.ownOrigin, s.throttled(windowsOf, windowsFrom), s.openWindow)
}
