package handlers

import "parley/static"

// routes is every URL of Parley. Middleware stands before what it guards.
func (s *Server) routes() {
	a := s.app
	a.Use(prepared, s.measured, s.leaving, s.accessLog, s.contain)
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
	a.Post("/users/:username/block", s.signedIn, s.blockUser)
	a.Post("/users/:username/unblock", s.signedIn, s.unblockUser)
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
	a.Get("/account/password", s.showOwnPassword)
	a.Post("/account/password", s.changeOwnPassword)
	a.Get("/account/email", s.showOwnEmail)
	a.Post("/account/email", s.changeOwnEmail)
	a.Get("/account/devices", s.listDevices)
	a.Post("/account/devices/end-others", s.endOtherDevices)
	a.Post("/account/devices/:id/end", s.endDevice)
	a.Get("/account/blocks", s.listBlocks)
	a.Put("/account/blocks/:username", s.putBlock)
	a.Delete("/account/blocks/:username", s.deleteBlock)

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

	a.Get("/ws", handshake, s.signedIn, s.ownOrigin, s.openWindow)
}
