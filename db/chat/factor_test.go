package chat_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/hotp"

	"parley/db/chat"
)

// passwordHash is made once, since that takes long.
var passwordHash = chat.HashPassword(password)

// signer is somebody who can sign in, with the clock all but standing still.
type signer struct {
	*world
	t     *testing.T
	actor chat.Actor
}

func newSigner(t *testing.T) *signer {
	var w *world
	w = newWorldWith(t, chat.Options{RememberFor: time.Hour, Now: func() time.Time {
		w.clock.move(time.Microsecond) // nothing happens at the time of something else
		return w.clock.Now()
	}})
	w.clock.stop()
	w.clock.frozen = w.clock.frozen.Truncate(30 * time.Second).Add(10 * time.Second) // away from the ends of a time step
	return w.signer(t, "alice")
}

func (w *world) signer(t *testing.T, username string) *signer {
	t.Helper()
	user := w.people(t, username)[0]
	mustExec(t, w.db, "UPDATE users SET password_hash = ? WHERE id = ?", passwordHash, user.ID)
	return &signer{w, t, chat.Actor{User: w.again(t, user), IP: "192.0.2.1"}}
}

// again reads a user anew.
func (w *world) again(t *testing.T, user chat.User) chat.User {
	t.Helper()
	user, err := w.UserByName(t.Context(), user.Username)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// code is what an app with the secret shows, so many steps from now.
func (s *signer) code(secret string, steps int) string {
	s.t.Helper()
	code, err := hotp.GenerateCode(secret, uint64(s.clock.Now().Unix()/30+int64(steps)))
	if err != nil {
		s.t.Fatal(err)
	}
	return code
}

// app sets up an authenticator app, by the code of the last step, and gives its secret and the recovery codes.
func (s *signer) app() (secret string, codes []string) {
	s.t.Helper()
	setup, err := s.SetUpTOTP(s.t.Context(), s.actor, password)
	if err != nil {
		s.t.Fatal(err)
	}
	if codes, err = s.ConfirmTOTP(s.t.Context(), s.actor, s.code(setup.Secret, -1)); err != nil {
		s.t.Fatal(err)
	}
	return setup.Secret, codes
}

// begins gives a sign-in with the right password.
func (s *signer) begins() (token string) {
	s.t.Helper()
	token, _, err := s.BeginSignIn(s.t.Context(), s.again(s.t, s.actor.User))
	if err != nil || token == "" {
		s.t.Fatalf("no sign-in waits: %q, %v", token, err)
	}
	return token
}

func (s *signer) finish(token, code string) error {
	s.t.Helper()
	user, _, err := s.FinishSignIn(s.t.Context(), token, code, "192.0.2.9")
	if err == nil && user.ID != s.actor.User.ID {
		s.t.Errorf("%+v is signed in", user)
	}
	return err
}

// wantCodeRefused expects a sign-in that goes on.
func (s *signer) wantCodeRefused(err error) {
	s.t.Helper()
	wantKind(s.t, err, chat.Invalid, "code")
}

func (s *signer) factors() chat.Factors {
	s.t.Helper()
	f, err := s.Factors(s.t.Context(), s.actor)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// deeds is the audit log, oldest first, without sign-ins and wrong passwords, such as "alice factor.add alice: authenticator app".
func (w *world) deeds(t *testing.T) (lines []string) {
	t.Helper()
	rows, err := w.db.Query("SELECT CONCAT_WS(' ', a.username, e.action, s.username), e.detail FROM audit_events e LEFT JOIN users a ON a.id = e.actor_id LEFT JOIN users s ON s.id = e.subject_id ORDER BY e.id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line, detail string
		if err := rows.Scan(&line, &detail); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(line, " session.") && !strings.Contains(line, " own.wrong_password ") {
			lines = append(lines, strings.TrimSuffix(line+": "+detail, ": "))
		}
	}
	return lines
}

func (w *world) wantDeeds(t *testing.T, want ...string) {
	t.Helper()
	if got := w.deeds(t); !slices.Equal(got, want) {
		t.Errorf("the audit log is\n%s\nand not\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (w *world) rule(t *testing.T, mode chat.SecondFactor) {
	t.Helper()
	mustExec(t, w.db, "REPLACE INTO settings (name, value) VALUES ('second_factor', ?)", string(mode))
}

func TestSetUpTOTP(t *testing.T) {
	s := newSigner(t)
	_, err := s.SetUpTOTP(t.Context(), s.actor, "not my password")
	wantKind(t, err, chat.Invalid, "password")
	_, err = s.PendingTOTP(t.Context(), s.actor)
	wantKind(t, err, chat.NotFound)
	setup, err := s.SetUpTOTP(t.Context(), s.actor, password)
	if err != nil || len(setup.Secret) != 32 || !strings.HasPrefix(setup.URL, "otpauth://totp/Parley:alice?") || !strings.Contains(setup.URL, setup.Secret) {
		t.Fatalf("%+v: %v", setup, err)
	}
	if pending, err := s.PendingTOTP(t.Context(), s.actor); pending != setup || err != nil {
		t.Errorf("pending is %+v: %v", pending, err)
	}
	for _, wrong := range []string{"", "000", s.code(setup.Secret, -2), s.code(setup.Secret, 2), "12345a"} {
		_, err := s.ConfirmTOTP(t.Context(), s.actor, wrong)
		s.wantCodeRefused(err)
	}
	if s.factors().Any() {
		t.Error("an app counts that hasn't shown a code")
	}
	if token, _, err := s.BeginSignIn(t.Context(), s.actor.User); token != "" || err != nil {
		t.Errorf("a sign-in waits: %v", err)
	}
	if _, _, err := s.StartSession(t.Context(), s.again(t, s.actor.User), chat.Device{}); err != nil {
		t.Errorf("a session waits: %v", err)
	}
	codes, err := s.ConfirmTOTP(t.Context(), s.actor, " "+s.code(setup.Secret, 1)[:3]+" "+s.code(setup.Secret, 1)[3:])
	if f := s.factors(); err != nil || len(codes) != 10 || f.RecoveryCodes != 10 || !f.Any() {
		t.Errorf("%d codes, %+v: %v", len(codes), f, err)
	}
	_, err = s.ConfirmTOTP(t.Context(), s.actor, s.code(setup.Secret, 1))
	wantKind(t, err, chat.NotFound)
	s.wantCodeRefused(s.finish(s.begins(), s.code(setup.Secret, 1))) // was used to confirm
	s.wantDeeds(t, "alice factor.add alice: authenticator app", "factor.fail alice: authenticator app")
}

func TestSetUpTOTPTakesTenMinutes(t *testing.T) {
	s := newSigner(t)
	setup, err := s.SetUpTOTP(t.Context(), s.actor, password)
	if err != nil {
		t.Fatal(err)
	}
	s.clock.move(10 * time.Minute)
	_, err = s.PendingTOTP(t.Context(), s.actor)
	wantKind(t, err, chat.NotFound)
	_, err = s.ConfirmTOTP(t.Context(), s.actor, s.code(setup.Secret, 0))
	wantKind(t, err, chat.NotFound)
}

// Another app takes the place of the first once it has shown a code, and not before. Recovery codes stay.
func TestAnotherApp(t *testing.T) {
	s := newSigner(t)
	first, _ := s.app()
	setup, err := s.SetUpTOTP(t.Context(), s.actor, password)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.finish(s.begins(), s.code(first, 0)); err != nil {
		t.Error(err)
	}
	s.wantCodeRefused(s.finish(s.begins(), s.code(setup.Secret, 0)))
	codes, err := s.ConfirmTOTP(t.Context(), s.actor, s.code(setup.Secret, 0))
	if err != nil || codes != nil || s.factors().RecoveryCodes != 10 {
		t.Errorf("%q: %v", codes, err)
	}
	s.wantCodeRefused(s.finish(s.begins(), s.code(first, 1)))
	if err := s.finish(s.begins(), s.code(setup.Secret, 1)); err != nil {
		t.Error(err)
	}
}

// Every session begins in StartSession: nobody comes past the second factor, whoever calls it.
func TestNoSessionWithoutSecondFactor(t *testing.T) {
	s := newSigner(t)
	before := s.again(t, s.actor.User)
	secret, _ := s.app()
	for _, user := range []chat.User{before, s.again(t, before)} {
		_, _, err := s.StartSession(t.Context(), user, chat.Device{})
		wantKind(t, err, chat.Denied)
	}
	authenticated, err := s.Authenticate(t.Context(), "alice", password)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.StartSession(t.Context(), authenticated, chat.Device{})
	wantKind(t, err, chat.Denied)
	user, kind, err := s.FinishSignIn(t.Context(), s.begins(), s.code(secret, 0), "")
	if err != nil || kind != chat.FactorTOTP {
		t.Fatal(kind, err)
	}
	if _, _, err := s.StartSession(t.Context(), user, chat.Device{}); err != nil {
		t.Error(err)
	}
	mustExec(t, s.db, "UPDATE users SET password_hash = 'another' WHERE id = ?", user.ID)
	_, _, err = s.StartSession(t.Context(), user, chat.Device{})
	wantKind(t, err, chat.Denied)
}

func TestCodeOfNeighbouringStepsOnce(t *testing.T) {
	s := newSigner(t)
	secret, _ := s.app()
	s.clock.move(5 * time.Minute)
	for _, step := range []int{-2, 2} {
		s.wantCodeRefused(s.finish(s.begins(), s.code(secret, step)))
	}
	for _, step := range []int{-1, 0, 1} {
		code := s.code(secret, step)
		if err := s.finish(s.begins(), code); err != nil {
			t.Errorf("step %d: %v", step, err)
		}
		s.wantCodeRefused(s.finish(s.begins(), code))
	}
	s.wantCodeRefused(s.finish(s.begins(), s.code(secret, 0))) // a later one was taken
	if used := s.factors().TOTP.UsedAt; used.IsZero() {
		t.Error("its use wasn't noted")
	}
}

func TestRecoveryCodes(t *testing.T) {
	s := newSigner(t)
	_, codes := s.app()
	typed := strings.ToUpper(strings.NewReplacer("-", " ", "o", "0", "l", "1", "b", "8").Replace(codes[3]))
	user, kind, err := s.FinishSignIn(t.Context(), s.begins(), " "+typed+" ", "192.0.2.9")
	if err != nil || kind != chat.FactorRecoveryCode || user.Username != "alice" || s.factors().RecoveryCodes != 9 {
		t.Errorf("%q signs in %+v by %q: %v", typed, user, kind, err)
	}
	s.wantCodeRefused(s.finish(s.begins(), codes[3]))
	_, err = s.RenewRecoveryCodes(t.Context(), s.actor, "wrong")
	wantKind(t, err, chat.Invalid, "password")
	fresh, err := s.RenewRecoveryCodes(t.Context(), s.actor, password)
	if err != nil || len(fresh) != 10 || s.factors().RecoveryCodes != 10 {
		t.Errorf("%q: %v", fresh, err)
	}
	s.wantCodeRefused(s.finish(s.begins(), codes[0]))
	if err := s.finish(s.begins(), fresh[0]); err != nil {
		t.Error(err)
	}
	s.wantDeeds(t, "alice factor.add alice: authenticator app", "alice factor.use_recovery_code alice: recovery code", "factor.fail alice: recovery code",
		"alice factor.renew_codes alice", "factor.fail alice: recovery code", "alice factor.use_recovery_code alice: recovery code")
}

func TestRecoveryCodesNeedAFactor(t *testing.T) {
	s := newSigner(t)
	_, err := s.RenewRecoveryCodes(t.Context(), s.actor, password)
	wantKind(t, err, chat.Invalid)
}

// Another's recovery code is worth nothing.
func TestRecoveryCodeOfAnother(t *testing.T) {
	s := newSigner(t)
	s.app()
	_, theirs := s.signer(t, "bob").app()
	s.wantCodeRefused(s.finish(s.begins(), theirs[0]))
}

// pile has f run n times at once, each as far as the account's row, and only then go on.
func (s *signer) pile(n int, f func(i int)) {
	s.t.Helper()
	h := hold(s.t, s.world, "UPDATE users SET last_seen_at = NULL WHERE id = ?", s.actor.User.ID)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	eventually(s.t, "all of them to wait", func() bool {
		return count(s.t, s.db, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '-- name: LockUserByID%'") == n
	})
	h.release()
	all.Wait()
}

// Sign-ins with the same code at the same time: one of them is let in.
func TestSameCodeTwiceAtOnce(t *testing.T) {
	s := newSigner(t)
	secret, codes := s.app()
	for round, code := range []string{s.code(secret, 0), s.code(secret, 1), codes[0], codes[1]} {
		tokens := []string{s.begins(), s.begins(), s.begins(), s.begins()}
		var in atomic.Int32
		s.pile(len(tokens), func(i int) {
			if s.finish(tokens[i], code) == nil {
				in.Add(1)
			}
		})
		if in.Load() != 1 {
			t.Errorf("round %d: %d were let in", round, in.Load())
		}
	}
}

// One sign-in lets one in, however many good codes come for it at the same time.
func TestOneSignInTwiceAtOnce(t *testing.T) {
	s := newSigner(t)
	_, codes := s.app()
	token := s.begins()
	var in atomic.Int32
	s.pile(4, func(i int) {
		if s.finish(token, codes[i]) == nil {
			in.Add(1)
		}
	})
	if in.Load() != 1 || s.factors().RecoveryCodes != 9 {
		t.Errorf("%d were let in, and %d codes are left", in.Load(), s.factors().RecoveryCodes)
	}
	wantKind(t, s.finish(token, codes[9]), chat.Denied)
}

func TestFiveTries(t *testing.T) {
	s := newSigner(t)
	secret, codes := s.app()
	token := s.begins()
	for range 4 {
		s.wantCodeRefused(s.finish(token, "000000"))
	}
	wantKind(t, s.finish(token, "000000"), chat.Denied)
	for _, right := range []string{s.code(secret, 0), codes[0]} {
		wantKind(t, s.finish(token, right), chat.Denied)
	}
	_, err := s.SignInByToken(t.Context(), token)
	wantKind(t, err, chat.Denied)
	if err := s.finish(s.begins(), s.code(secret, 0)); err != nil {
		t.Error(err)
	}
}

// Tries that come together are no more than five either.
func TestFiveTriesAtOnce(t *testing.T) {
	s := newSigner(t)
	s.app()
	token := s.begins()
	together(12, func(int) { _ = s.finish(token, "000000") })
	if n := count(t, s.db, "SELECT COUNT(*) FROM audit_events WHERE action = 'factor.fail'"); n != 5 {
		t.Errorf("%d codes were looked at", n)
	}
}

// Guesses that are spread over many sign-ins become slower and slower. Recovery codes are taken all the while.
func TestGuessesAreSlowedDown(t *testing.T) {
	s := newSigner(t)
	secret, codes := s.app()
	wrong := func() {
		t.Helper()
		s.wantCodeRefused(s.finish(s.begins(), "000000"))
	}
	for range 10 {
		wrong()
	}
	for _, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		s.clock.move(wait*time.Minute - time.Second)
		s.wantCodeRefused(s.finish(s.begins(), s.code(secret, 0)))
		s.clock.move(time.Second)
		wrong()
	}
	if n := count(t, s.db, "SELECT failures FROM totps WHERE confirmed"); n != 18 {
		t.Errorf("%d failures are counted", n)
	}
	if err := s.finish(s.begins(), codes[0]); err != nil {
		t.Error(err)
	}
	s.clock.move(time.Hour)
	if err := s.finish(s.begins(), s.code(secret, 0)); err != nil {
		t.Error(err)
	}
	wrong()
	if err := s.finish(s.begins(), s.code(secret, 1)); err != nil {
		t.Errorf("the count wasn't begun anew: %v", err)
	}
}

func TestSignInEnds(t *testing.T) {
	s := newSigner(t)
	_, codes := s.app()
	ends := map[string]func(){
		"ten minutes": func() { s.clock.move(10 * time.Minute) },
		"another password": func() {
			mustExec(t, s.db, "UPDATE users SET password_hash = 'another' WHERE id = ?", s.actor.User.ID)
		},
		"disabled": func() { s.disable(t, s.actor.User) },
	}
	for _, what := range []string{"ten minutes", "another password", "disabled"} {
		mustExec(t, s.db, "UPDATE users SET password_hash = ? WHERE id = ?", passwordHash, s.actor.User.ID)
		token := s.begins()
		ends[what]()
		if err := s.finish(token, codes[0]); chat.KindOf(err) != chat.Denied {
			t.Errorf("%s: %v", what, err)
		}
	}
	wantKind(t, s.finish("", codes[0]), chat.Denied)
	if s.factors().RecoveryCodes != 10 {
		t.Error("a code was used up")
	}
}

// Whose place asks for a factor keeps the last one.
func TestLastFactorStays(t *testing.T) {
	for mode, mayGo := range map[chat.SecondFactor]bool{chat.SecondFactorOptional: true, chat.SecondFactorAdmins: true, chat.SecondFactorAll: false} {
		s := newSigner(t)
		s.app()
		s.rule(t, mode)
		wantKind(t, s.RemoveTOTP(t.Context(), s.actor, "wrong"), chat.Invalid, "password")
		err := s.RemoveTOTP(t.Context(), s.actor, password)
		if mayGo != (err == nil) || mayGo == s.factors().Any() || mayGo != (s.factors().RecoveryCodes == 0) {
			t.Errorf("%s: %v, and there is %+v", mode, err, s.factors())
		}
		if !mayGo {
			wantKind(t, err, chat.Invalid)
			s.add("Phone", 1)
			if err := s.RemoveTOTP(t.Context(), s.actor, password); err != nil || s.factors().RecoveryCodes != 10 {
				t.Errorf("not the last: %v, and there is %+v", err, s.factors())
			}
			wantKind(t, s.RemovePasskey(t.Context(), s.actor, s.factors().Passkeys[0].ID, password), chat.Invalid)
		}
	}
}

func TestWhoLacksAFactor(t *testing.T) {
	for mode, want := range map[chat.SecondFactor][2]bool{chat.SecondFactorOptional: {}, chat.SecondFactorAdmins: {false, true}, chat.SecondFactorAll: {true, true}} {
		s := newSigner(t)
		s.rule(t, mode)
		admin := s.adminOf(t, "root").User
		if _, err := s.SetUpTOTP(t.Context(), s.actor, password); err != nil { // which doesn't count yet
			t.Fatal(err)
		}
		for i, user := range []chat.User{s.actor.User, admin} {
			if lacks, err := s.LacksFactor(t.Context(), user); lacks != want[i] || err != nil {
				t.Errorf("%s: %s lacks one: %t, %v", mode, user.Username, lacks, err)
			}
		}
		s.app()
		for range 2 { // from memory too
			if lacks, err := s.LacksFactor(t.Context(), s.actor.User); lacks || err != nil {
				t.Errorf("%s: %s lacks one all the same, %v", mode, s.actor.User.Username, err)
			}
		}
		if got := s.factors().Required; got != want[0] {
			t.Errorf("%s: required is %t", mode, got)
		}
		if _, err := s.ResetFactors(t.Context(), chat.Actor{User: admin}, "alice"); err != nil {
			t.Error(err)
		}
		if lacks, err := s.LacksFactor(t.Context(), s.actor.User); lacks != want[0] || err != nil {
			t.Errorf("%s: without it again: %t, %v", mode, lacks, err)
		}
	}
}

func TestResetFactors(t *testing.T) {
	s := newSigner(t)
	root := s.adminOf(t, "root")
	token, _, err := s.StartSession(t.Context(), s.again(t, s.actor.User), chat.Device{})
	if err != nil {
		t.Fatal(err)
	}
	_, codes := s.app()
	s.add("Phone", 0)
	waiting := s.begins()
	_, err = s.ResetFactors(t.Context(), s.actor, "alice")
	wantKind(t, err, chat.NotFound)
	s.events.take()
	account, err := s.ResetFactors(t.Context(), root, "alice")
	if err != nil || account.OpenSessions != 0 || s.factors().Any() || s.factors().RecoveryCodes != 0 {
		t.Errorf("%+v has %+v: %v", account, s.factors(), err)
	}
	if told := s.events.take(); len(told) != 1 || told[0].Type != chat.EventSessionEnded || told[0].To != s.actor.User.ID {
		t.Errorf("the windows were told %+v", told)
	}
	_, err = s.SessionByToken(t.Context(), token)
	wantKind(t, err, chat.NotFound)
	s.wantCodeRefused(s.finish(waiting, codes[0]))
	if _, _, err := s.StartSession(t.Context(), s.again(t, s.actor.User), chat.Device{}); err != nil {
		t.Error(err)
	}
	s.app()
	if user, err := s.ResetFactorsUnasked(t.Context(), "ALICE"); err != nil || user.Username != "alice" || s.factors().Any() {
		t.Errorf("%+v: %v", user, err)
	}
	if n := count(t, s.db, "SELECT COUNT(*) FROM sessions"); n != 0 {
		t.Errorf("%d sessions go on", n)
	}
	_, err = s.ResetFactorsUnasked(t.Context(), "nobody")
	wantKind(t, err, chat.NotFound)
	s.wantDeeds(t, "alice factor.add alice: authenticator app", "alice factor.add alice: passkey Phone", "root factor.reset alice", "factor.fail alice: recovery code",
		"alice factor.add alice: authenticator app", "factor.reset alice: on the command line")
}

func TestSweepSignIns(t *testing.T) {
	s := newSigner(t)
	s.app()
	old := s.begins()
	if err := s.BeginCeremony(t.Context(), make([]byte, 32), []byte("old")); err != nil {
		t.Fatal(err)
	}
	s.clock.move(10 * time.Minute)
	s.begins()
	if n, err := s.SweepSignIns(t.Context()); n != 2 || err != nil {
		t.Errorf("%d were swept: %v", n, err)
	}
	if n := count(t, s.db, "SELECT COUNT(*) FROM sign_ins"); n != 1 {
		t.Errorf("%d sign-ins are left, %q among them?", n, old)
	}
}

var waitText = regexp.MustCompile(`in (\d+) minutes only`)

// However many sign-ins somebody begins who has the password, and from wherever, there is a bound to the codes that they can
// try: the numbers stand beside the rule.
func TestCodesThatCanBeTried(t *testing.T) {
	s := newSigner(t)
	s.app()
	day := func() (tried int) {
		for end := s.clock.Now().Add(24 * time.Hour); s.clock.Now().Before(end); {
			err := s.finish(s.begins(), "000000")
			if err == nil {
				t.Fatal("the code was guessed, with a chance of 1 in 300,000")
			}
			wait := waitText.FindStringSubmatch(err.Error())
			if wait == nil {
				s.wantCodeRefused(err)
				tried++
				continue
			}
			minutes, _ := strconv.Atoi(wait[1]) // digits
			s.clock.move(time.Duration(minutes) * time.Minute)
		}
		return tried
	}
	if first, second := day(), day(); first != 38 || second != 24 {
		t.Errorf("%d codes could be tried on the first day, and %d on the second", first, second)
	}
}
