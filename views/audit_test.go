package views

import (
	"testing"

	"parley/db/chat"
)

// Whatever is done to somebody's account has words for them on their own page, besides those for admins.
func TestActivityHasWordsForEverything(t *testing.T) {
	unheard := map[chat.AuditAction]bool{chat.AuditReport: true, chat.AuditCloseReport: true, chat.AuditSetPlace: true} // or about nobody
	for _, action := range auditActions() {
		if _, known := activityWords[action]; known == unheard[action] {
			t.Errorf("%s has words: %t", action, known)
		}
	}
	for action := range activityWords {
		if _, known := auditWords[action]; !known {
			t.Errorf("%s has no words for admins", action)
		}
	}
}
