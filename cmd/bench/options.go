package main

import (
	"errors"
	"time"

	"github.com/alecthomas/kong"
)

// options is the command line.
type options struct {
	URL         string `placeholder:"URL" help:"A running Parley with demo people to measure. Unset: bench builds one, starts it with a private database in a temporary directory, and removes all of it."`
	Password    string `placeholder:"P" help:"The demo people's password, with --url."`
	PID         int    `placeholder:"PID" help:"The process of the Parley at --url, so that its CPU time and memory are counted."`
	DatabasePID int    `placeholder:"PID" help:"The process of its database."`
	DatabaseURL string `placeholder:"DSN" help:"Its database, for --limits and for long conversations."`

	Binary    string   `placeholder:"FILE" type:"existingfile" help:"The Parley to start. Unset: bench builds ./cmd/parley."`
	ServerArg []string `placeholder:"ARG" sep:"none" help:"An argument for the Parley that is started. May be given several times."`
	Compare   string   `placeholder:"FILE" type:"existingfile" help:"Another Parley to start. The two take turns at each scenario; the figures are ratios of this one to the other."`
	Rounds    int      `default:"3" help:"How many turns each of the two has."`
	Dir       string   `placeholder:"DIR" type:"existingdir" help:"Where the temporary directory is made: the disk matters."`
	Keep      bool     `help:"Leave the temporary directory, with the server's log, behind."`
	Users     int      `default:"2000" help:"How many demo people there are."`
	Messages  int      `default:"20000" help:"How many demo messages there are before it begins."`

	Scenario []string      `default:"pairs" enum:"pairs,page,history,signins,idle,storm" help:"What to measure, one after the other: ${enum}."`
	Limits   bool          `help:"Measure also what the database and Fiber do by themselves at the same concurrency, and tell Parley's figures as ratios to that."`
	Duration time.Duration `default:"10s" help:"How long each is measured."`
	Warmup   time.Duration `default:"2s" help:"How long it runs before that."`
	Seed     uint64        `default:"1" help:"Decides when messages of an open model come and what is picked at random."`

	Pairs     int     `default:"64" help:"pairs: how many pairs of people talk."`
	Rate      float64 `help:"pairs, page, history, signins: how many a second, whether or not the server keeps up (open model: waiting counts). 0: each sends the next when the last one has arrived."`
	Arrivals  string  `default:"poisson" enum:"poisson,even" help:"How an open model's times are spread: ${enum}."`
	As        string  `default:"fragment" enum:"fragment,json" help:"pairs: send as a page does or as a program does: ${enum}."`
	Alternate bool    `negatable:"" default:"true" help:"pairs: the two take turns."`

	Readers       int  `default:"16" help:"page, history: how many read at the same time."`
	Conversations int  `default:"30000" help:"page: how many conversations there are to be looked at once each. The measured time ends early when they are used up."`
	Depth         int  `default:"100000" help:"history: how many messages the conversation has."`
	Gzip          bool `help:"page: ask for compressed answers, as browsers do."`

	Windows int           `default:"10000" help:"idle, storm: how many windows are open."`
	Hold    time.Duration `default:"10s" help:"idle: how long they stay open before the memory is looked at."`

	JSON string `name:"json" placeholder:"FILE" help:"Write all figures there as JSON; - is the standard output, and the table goes to the standard error."`
}

var errHelp = errors.New("help was printed")

func parseOptions(args []string, p *program) (o options, err error) {
	defer func() {
		if r := recover(); r == errHelp {
			err = errHelp
		} else if r != nil {
			panic(r)
		}
	}()
	parser, err := kong.New(&o, kong.Name("bench"), kong.Writers(p.out, p.err), kong.Exit(func(int) { panic(errHelp) }),
		kong.Description("Measures a Parley. Exits with 1 when an answer was wrong or a message was lost or doubled."))
	if err != nil {
		return o, err
	}
	if _, err := parser.Parse(args); err != nil {
		return o, err
	}
	return o, o.check()
}

// namedPeople is how many of the demo people have names instead of numbers.
const namedPeople = 8

// numbered is how many of the demo people are called demo00000 and so on.
func (o options) numbered() int { return o.Users - namedPeople }

func (o options) check() error {
	switch {
	case o.URL != "" && o.Password == "":
		return errors.New("with --url, --password is the demo people's")
	case o.URL != "" && o.Compare != "":
		return errors.New("--compare starts both servers, so there is no --url with it")
	case o.Rounds < 1:
		return errors.New("--rounds is at least 1")
	case o.numbered() < 2*o.Pairs:
		return errors.New("--users has to be at least twice --pairs, and 8 for those with names")
	case o.Readers < 1 || o.Conversations < o.Readers || o.Depth < 1000:
		return errors.New("--readers is at least 1, --conversations no less than that, --depth at least 1000")
	case o.Windows < 1 || o.Hold < 0:
		return errors.New("--windows is at least 1, --hold no less than nothing")
	case o.Pairs < 1 || o.Duration <= 0 || o.Warmup < 0 || o.Rate < 0:
		return errors.New("--pairs and --duration are more than nothing, --warmup and --rate no less")
	}
	return nil
}
