package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"parley/handlers/fanout"
)

// settings is every setting and every command. A flag wins over its PARLEY_ variable, that over the settings file, and
// that over the default.
type settings struct {
	Settings       string        `placeholder:"FILE" help:"A file with lines such as 'addr = 127.0.0.1:8080'. Lines that start with # are remarks."`
	Addr           string        `default:"127.0.0.1:8080" help:"Where to listen: host and port."`
	BaseURL        string        `placeholder:"URL" help:"The address that people use, such as https://chat.example.org, where it isn't the one above. With https, cookies are sent over https only."`
	DataDir        string        `default:"./data" help:"Where Parley keeps its private database."`
	DatabaseURL    string        `placeholder:"DSN" help:"A MySQL or MariaDB server of your own, such as user:password@tcp(localhost:3306)/parley; for a Galera cluster, or several TiDB servers, one of each node, separated by spaces. Unset: a private one in the data directory."`
	RedisURL       string        `placeholder:"URL" help:"The Redis by which several Parleys on one database tell each other what to push, such as redis://:password@localhost:6379/0, or rediss:// for TLS. Unset: there is only this one."`
	SMTPURL        string        `name:"smtp-url" placeholder:"URL" help:"The mail server, such as smtp://user:password@mail.example.org:587 (STARTTLS) or smtps://user:password@mail.example.org (TLS). smtp://localhost:25?tls=none does without TLS, on this machine only. Better a variable than a flag, which other users of the machine can read. Unset: mail goes into the log."`
	MailFrom       string        `placeholder:"ADDRESS" help:"Who Parley's mail comes from, such as 'Parley <parley@example.org>'. Needed with smtp-url."`
	MessagesToLoad int           `default:"10" help:"How many messages a conversation shows at first, from 1 to 100."`
	MaxBody        int           `default:"10000" help:"The longest message, in characters."`
	SessionFor     time.Duration `default:"720h" help:"How long after its last use a sign-in ends."`
	SessionAtMost  time.Duration `default:"2160h" help:"How long after signing in a sign-in ends, however much it is used; 0 for never."`
	AuditFor       int           `default:"0" placeholder:"DAYS" help:"How many days the audit log is kept; 0 keeps it for ever."`
	DrainFor       time.Duration `default:"0s" help:"How long Parley still serves after it was told to stop, with /readyz saying 503, so that a proxy that asks there sends nothing more; such as 5s."`
	TimeZone       string        `default:"UTC" placeholder:"ZONE" help:"The time zone for people whose browser doesn't tell its own, such as Europe/Berlin."`
	TrustedProxies string        `placeholder:"NETWORKS" help:"The proxies in front of Parley, such as '127.0.0.1 10.0.0.0/8'. Theirs is the word, in X-Forwarded-For or Forwarded, on where a request comes from. Unset: every request comes from whoever connects."`
	Throttle       string        `default:"on" enum:"on,off" help:"on: nobody signs in, sends, searches or opens windows faster than people do. off: everybody does as fast as they can, which is for measuring alone. Each of several nodes counts what is sent for itself; without redis-url, it does so for everything."`
	MetricsAddr    string        `placeholder:"ADDR" help:"Where Prometheus finds /metrics, such as 127.0.0.1:9180: an address of its own, which only Prometheus should reach. Unset: none."`
	MetricsToken   string        `placeholder:"TOKEN" help:"A secret of at least 16 characters. With it, /metrics is on the address above too, for whoever sends 'Authorization: Bearer TOKEN'. Better a variable than a flag, which other users of the machine can read."`
	LogLevel       slog.Level    `default:"info" help:"debug (with every request), info, warn or error."`
	LogFormat      string        `default:"text" enum:"text,json" help:"text or json."`

	Serve   serveCmd   `cmd:"" default:"withargs" help:"Migrate, then serve. This is what parley does without a command."`
	Migrate migrateCmd `cmd:"" help:"Change the database's schema, or show how far it is."`
	User    userCmd    `cmd:"" help:"People's accounts."`
	Verify  verifyCmd  `cmd:"" help:"Check the database against what Parley promises, while Parley runs or not."`
	Demo    demoCmd    `cmd:"" help:"Make people and conversations to try Parley with, or to measure it."`
}

const longestDrain = 5 * time.Minute

// longestAudit is a hundred years, in days.
const longestAudit = 36_500

// program is one run of parley, with everything that it has from outside.
type program struct {
	env      []string
	in       io.Reader
	out, err io.Writer

	set settings
	log *slog.Logger
}

// errHelp ends a run that only had to print the help.
var errHelp = errors.New("help was printed")

// run carries out one command line. It returns when the command is done, or soon after ctx ends.
func (p *program) run(ctx context.Context, args []string) (err error) {
	defer func() {
		if r := recover(); r == errHelp {
			err = nil
		} else if r != nil {
			panic(r)
		}
	}()
	parser, err := p.parser(args)
	if err != nil {
		return unusable(args, err)
	}
	command, err := parser.Parse(args)
	if err != nil {
		return unusable(args, fmt.Errorf("%w (parley --help lists what there is)", err))
	}
	if err := p.set.check(); err != nil {
		return unusable(args, err)
	}
	p.log = p.logger()
	slog.SetDefault(p.log) // for what has no other way to a logger, such as the database driver
	command.BindTo(ctx, (*context.Context)(nil))
	return command.Run(p)
}

func (p *program) parser(args []string) (*kong.Kong, error) {
	file, err := p.readFile(settingsPath(args, p.env))
	if err != nil {
		return nil, err
	}
	return kong.New(&p.set, kong.Name("parley"),
		kong.Description("Person-to-person messaging that you run for yourself.\n\nEvery flag is also a variable: --data-dir is PARLEY_DATA_DIR. And it is a line in the settings file: data-dir = ./data."),
		kong.Writers(p.out, p.err), kong.Exit(func(int) { panic(errHelp) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Resolvers(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
			if value, ok := lookup(p.env, variable(flag.Name)); ok {
				return value, nil
			}
			if value, ok := file[flag.Name]; ok {
				return value, nil
			}
			return nil, nil
		})))
}

// variable is the name of a flag's environment variable.
func variable(flag string) string {
	return "PARLEY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func lookup(env []string, name string) (string, bool) {
	for _, line := range env {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// settingsPath finds the settings file before the flags are parsed, since it stands in for those that aren't given.
func settingsPath(args, env []string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--settings="); ok {
			return value
		}
		if arg == "--settings" && i+1 < len(args) {
			return args[i+1]
		}
	}
	path, _ := lookup(env, variable("settings"))
	return path
}

// readFile reads "name = value" lines.
func (p *program) readFile(path string) (map[string]string, error) {
	values := map[string]string{}
	if path == "" {
		return values, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the settings file can't be read: %w", err)
	}
	defer file.Close()
	known := settingNames()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !found || !known[name] {
			// Only the first word is shown: what follows may be a password.
			first, _, _ := strings.Cut(strings.Fields(line)[0], "=")
			return nil, fmt.Errorf("line %d of the settings file %s isn't a setting: it begins with %q (parley --help lists them)", n, path, first)
		}
		values[name] = strings.TrimSpace(value)
	}
	return values, lines.Err()
}

func settingNames() map[string]bool {
	names := map[string]bool{}
	var probe settings
	for _, flag := range kong.Must(&probe).Model.Flags {
		names[flag.Name] = true
	}
	delete(names, "help")
	delete(names, "settings")
	return names
}

func (s settings) check() error {
	if s.MessagesToLoad < 1 || s.MessagesToLoad > 100 {
		return errors.New("messages-to-load is a number from 1 to 100")
	}
	if s.MaxBody < 1 || s.MaxBody > 1_000_000 {
		return errors.New("max-body is a number from 1 to 1000000")
	}
	if s.SessionFor < time.Minute {
		return errors.New("session-for is a time of at least a minute, such as 720h")
	}
	if s.SessionAtMost != 0 && s.SessionAtMost < time.Minute {
		return errors.New("session-at-most is a time of at least a minute, such as 2160h, or 0 for never")
	}
	if s.AuditFor < 0 || s.AuditFor > longestAudit {
		return fmt.Errorf("audit-for is a number of days from 0, for ever, to %d", longestAudit)
	}
	if s.DrainFor < 0 || s.DrainFor > longestDrain {
		return fmt.Errorf("drain-for is a time from 0s to %s", longestDrain)
	}
	if _, err := time.LoadLocation(s.TimeZone); err != nil {
		return fmt.Errorf("there is no time zone called %q; a zone looks like Europe/Berlin", s.TimeZone)
	}
	if s.RedisURL != "" {
		if err := fanout.CheckRedisURL(s.RedisURL); err != nil {
			return err
		}
	}
	if _, err := s.trustedProxies(); err != nil {
		return err
	}
	if s.MetricsToken != "" && len(s.MetricsToken) < 16 {
		return errors.New("metrics-token has at least 16 characters; openssl rand -hex 16 makes one")
	}
	if _, err := s.mailer("http://localhost", nil); err != nil {
		return err
	}
	_, err := s.baseURL()
	return err
}

// sessionAtMost is what the rules call for ever where the setting says 0.
func (s settings) sessionAtMost() time.Duration {
	if s.SessionAtMost == 0 {
		return -1
	}
	return s.SessionAtMost
}

// trustedProxies reads networks and single addresses, separated by spaces or commas.
func (s settings) trustedProxies() (all []netip.Prefix, _ error) {
	for _, text := range strings.FieldsFunc(s.TrustedProxies, func(r rune) bool { return r == ' ' || r == ',' }) {
		prefix, err := netip.ParsePrefix(text)
		if one, single := netip.ParseAddr(text); single == nil {
			prefix, err = netip.PrefixFrom(one, one.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("trusted-proxies is a list of addresses and networks such as '127.0.0.1 10.0.0.0/8 fd00::/8'; %q is none", text)
		}
		all = append(all, prefix.Masked())
	}
	return all, nil
}

func (s settings) baseURL() (*url.URL, error) {
	if s.BaseURL == "" {
		return nil, nil
	}
	base, err := url.Parse(s.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("base-url is an address such as https://chat.example.org, not %q", s.BaseURL)
	}
	return base, nil
}

func (p *program) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: p.set.LogLevel}
	if p.set.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(p.err, options))
	}
	return slog.New(slog.NewTextHandler(p.err, options))
}
