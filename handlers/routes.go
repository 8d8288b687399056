package handlers

import (
	"github.com/gofiber/fiber/v2"

	"parley/static"
	"parley/views"
)

// routes is every URL of Parley, in four groups below. Middleware stands before what it guards.
func (s *Server) routes() {
	a := s.app
	a.Use(prepared, s.addressed, s.measured, s.leaving, s.accessLog, s.contain)
	a.Get("/healthz", alive)
	a.Get("/readyz", s.ready)
	a.Get(static.Prefix+":name", asset)
	a.Get("/metrics", s.showMetrics())

	a.Use(private, compressed, bounded, s.sameOrigin, s.identify)
	a.Get("/", home)
	s.entranceRoutes(a)
	s.talkRoutes(a)
	s.accountRoutes(a)
	s.adminRoutes(a)
}

// entranceRoutes are for whoever isn't signed in: signing in and out, signing up, and links that mail or people bring.
func (s *Server) entranceRoutes(a *fiber.App) {
	a.Get("/login", s.showLogin)
	a.Post("/login", s.login)
	a.Get("/login/factor", s.showSignIn)
	a.Post("/login/factor", s.finishSignIn)
	a.Post("/login/passkey", s.throttled(asks), s.askPasskey)
	a.Post("/logout", s.logout)
	a.Get("/farewell", farewell)
	a.Get("/password/forgot", s.showForgot)
	a.Post("/password/forgot", s.forgot)
	a.Get("/password/changed", passwordChanged)
	a.Get(views.ResetPath+":token", s.showReset)
	a.Post(views.ResetPath+":token", s.reset)
	a.Get("/email/confirmed", emailConfirmed)
	a.Get(views.ConfirmPath+":token", s.showConfirmation)
	a.Post(views.ConfirmPath+":token", s.confirm)
	a.Get("/signup", s.showSignUp)
	a.Post("/signup", s.signUp)
	a.Get(views.SetupPath+":token", s.showSetup)
	a.Post(views.SetupPath+":token", s.setUp)
}

// talkRoutes are people, conversations and messages.
func (s *Server) talkRoutes(a *fiber.App) {
	a.Get("/users", s.signedIn, s.listUsers)
	a.Get("/users/:username", s.signedIn, s.showUser)
	a.Get("/photos/:photo/:side", s.signedIn, s.showPhoto)
	a.Post("/users/:username/block", s.signedIn, s.blockUser)
	a.Post("/users/:username/unblock", s.signedIn, s.unblockUser)
	a.Get("/conversations", s.signedIn, s.listConversations)
	a.Get("/conversations/:username", s.signedIn, s.showConversation)
	a.Put("/conversations/:username/read", s.signedIn, s.markRead)
	a.Get("/messages", s.signedIn, s.listMessages)
	a.Post("/messages", s.signedIn, s.sendMessage)
	a.Get("/messages/:id", s.signedIn, s.showMessage)
	a.Get("/messages/:id/report", s.signedIn, s.newReport)
	a.Post("/messages/:id/report", s.signedIn, s.reportMessage)
	a.Get("/ws", handshake, s.signedIn, s.ownOrigin, s.throttled(windowsOf, windowsFrom), s.openWindow)
}

// accountRoutes are everybody's own account.
func (s *Server) accountRoutes(a *fiber.App) {
	a.Use("/account", s.signedIn)
	a.Get("/account", s.accountHome)
	a.Get("/account/profile", s.showOwnProfile)
	a.Post("/account/profile", s.editOwnProfile)
	a.Get("/account/password", s.showOwnPassword)
	a.Post("/account/password", s.changeOwnPassword)
	a.Get("/account/email", s.showOwnEmail)
	a.Post("/account/email", s.changeOwnEmail)
	a.Post("/account/email/confirmation", s.confirmAgain)
	a.Get("/account/devices", s.listDevices)
	a.Post("/account/devices/end-others", s.endOtherDevices)
	a.Post("/account/devices/:id/end", s.endDevice)
	a.Get("/account/factors", s.showFactors)
	a.Get("/account/factors/totp", s.showTOTP)
	a.Post("/account/factors/totp", s.setUpTOTP)
	a.Post("/account/factors/totp/confirm", s.confirmTOTP)
	a.Post("/account/factors/totp/remove", s.removeTOTP)
	a.Post("/account/factors/passkeys", s.addPasskey)
	a.Post("/account/factors/passkeys/options", s.askNewPasskey)
	a.Post("/account/factors/passkeys/:id/remove", s.removePasskey)
	a.Post("/account/factors/recovery-codes", s.renewRecoveryCodes)
	a.Get("/account/blocks", s.listBlocks)
	a.Put("/account/blocks/:username", s.putBlock)
	a.Delete("/account/blocks/:username", s.deleteBlock)
	a.Get("/account/reports", s.listOwnReports)
	a.Get("/account/activity", s.showActivity)
	a.Get("/account/tokens", s.listTokens)
	a.Post("/account/tokens", s.createToken)
	a.Post("/account/tokens/:id/revoke", s.revokeToken)
	a.Get("/account/invitations", s.listOwnInvitations)
	a.Post("/account/invitations", s.invite)
	a.Post("/account/invitations/:id/revoke", s.revokeInvitation)
	a.Post("/account/photo", s.setPhoto)
	a.Post("/account/photo/remove", s.removePhoto)
	a.Get("/account/export", s.showOwnData)
	a.Post("/account/export", s.exportOwnData)
	a.Get("/account/delete", s.showDeletion)
	a.Post("/account/delete", s.deleteOwnAccount)
}

// adminRoutes aren't there for anybody but admins.
func (s *Server) adminRoutes(a *fiber.App) {
	a.Use("/admin", s.signedIn, adminOnly, s.noticed, s.countReports)
	a.Get("/admin", s.adminHome)
	a.Get("/admin/users", s.listAccounts)
	a.Get("/admin/new-user", s.newAccount)
	a.Post("/admin/users", s.createAccount)
	a.Get("/admin/users/:username", s.showAccount)
	a.Post("/admin/users/:username", s.editAccount)
	a.Post("/admin/users/:username/disable", s.disableAccount)
	a.Post("/admin/users/:username/enable", s.enableAccount)
	a.Post("/admin/users/:username/end-sessions", s.endSessions)
	a.Post("/admin/users/:username/reset-factors", s.resetFactors)
	a.Post("/admin/users/:username/reset-link", s.makeResetLink)
	a.Get("/admin/mail", s.listMail)
	a.Post("/admin/mail/:id/retry", s.retryMail)
	a.Post("/admin/mail/:id/drop", s.dropMail)
	a.Get("/admin/invitations", s.listInvitations)
	a.Post("/admin/invitations/:id/revoke", s.revokeAnyInvitation)
	a.Get("/admin/messages", s.listAllMessages)
	a.Get("/admin/messages/:id", s.showFacts)
	a.Post("/admin/messages/:id/body", s.openBody)
	a.Get("/admin/audit", s.listAuditEvents)
	a.Get(auditExportPath, s.exportAudit)
	a.Get("/admin/reports", s.listReports)
	a.Get("/admin/reports/:number", s.showReport)
	a.Post("/admin/reports/:number/body", s.openReport)
	a.Post("/admin/reports/:number/close", s.closeReport)
	a.Get("/admin/place", s.showPlace)
	a.Post("/admin/place", s.editPlace)
	a.Get("/admin/live", s.showLive)
	a.Get("/admin/pprof/:name", s.takeProfile)
}
