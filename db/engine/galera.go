package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"parley/db/private"
)

// Galera is a cluster of MariaDB servers that replicate synchronously: each takes writes, and what one has committed
// all have.
type Galera struct {
	Nodes []*Node
}

// providers is where packages put Galera's library.
var providers = []string{"/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so"}

// ErrNoGalera says that no Galera can run here.
var ErrNoGalera = errors.New("Galera is not installed: install mariadb-server, galera-4 and rsync (Debian and Ubuntu: apt-get install mariadb-server galera-4 rsync)")

// galeraSizes keep the servers small, and let commits wait for the operating system only: a test's data need not
// outlive the machine.
var galeraSizes = []string{
	"--innodb-buffer-pool-size=64M", "--loose-innodb-log-file-size=16M", "--innodb-temp-data-file-path=ibtmp1:1M:autoextend",
	"--innodb-flush-log-at-trx-commit=2", "--loose-debug-no-sync=ON",
}

// StartGalera starts a cluster of so many nodes below dir, which has to be short: a unix socket's path has little room.
// Further arguments go to each server.
func StartGalera(ctx context.Context, dir string, nodes int, args ...string) (g *Galera, err error) {
	tools, err := findGalera()
	if err != nil {
		return nil, err
	}
	if err := tools.prepare(dir); err != nil {
		return nil, err
	}
	g = &Galera{}
	ports, err := freePorts(nodes)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		m := &member{galeraTools: tools, ports: ports, own: i, dir: filepath.Join(dir, fmt.Sprint("n", i+1)), first: i == 0, more: args}
		if err := m.install(ctx); err != nil {
			return nil, err
		}
		g.Nodes = append(g.Nodes, &Node{name: fmt.Sprint("galera node ", i+1), dir: m.dir, launch: m.command})
	}
	if err := g.start(ctx); err != nil {
		g.Stop(ctx)
		return nil, err
	}
	return g, nil
}

// start starts one node after the other: a node that is handing its state on has nothing for a third.
func (g *Galera) start(ctx context.Context) error {
	for _, n := range g.Nodes {
		if err := n.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop stops all nodes, killing those that have not shut down when ctx ends.
func (g *Galera) Stop(ctx context.Context) {
	var all sync.WaitGroup
	for _, n := range g.Nodes {
		all.Go(func() { n.stop(ctx) })
	}
	all.Wait()
}

// DSNs names every node, separated by spaces.
func (g *Galera) DSNs() string {
	var all []string
	for _, n := range g.Nodes {
		all = append(all, n.DSN())
	}
	return strings.Join(all, " ")
}

// galeraTools are the programs that a cluster needs.
type galeraTools struct {
	server, provider string
	env              []string
}

func findGalera() (galeraTools, error) {
	server, err := exec.LookPath("mariadbd")
	if err != nil {
		server, err = exec.LookPath("/usr/sbin/mariadbd")
	}
	_, noRsync := exec.LookPath("rsync")
	if err != nil || noRsync != nil {
		return galeraTools{}, ErrNoGalera
	}
	for _, provider := range providers {
		if _, err := os.Stat(provider); err == nil {
			return galeraTools{server: server, provider: provider}, nil
		}
	}
	return galeraTools{}, ErrNoGalera
}

// rsyncAsRoot is read by the shell that runs Galera's script for handing on the state. That script's rsync would
// write as nobody when root starts it, into a directory that is root's.
const rsyncAsRoot = `rsync() {
  case $1 in --daemon) exec rsync "$@" --dparam=uid=root --dparam=gid=root ;; esac
  command rsync "$@"
}
`

func (t *galeraTools) prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	t.env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	if os.Geteuid() != 0 {
		return nil
	}
	file := filepath.Join(dir, "rsync-as-root")
	t.env = append(t.env, "BASH_ENV="+file)
	return os.WriteFile(file, []byte(rsyncAsRoot), 0o600)
}

// portsEach is how many ports a node needs, in a row: for the group, for the writes that a returning node missed, and
// for the whole state.
const portsEach = 3

// freePorts finds the first port of each node, below those that systems give to outgoing connections (32768 on Linux).
func freePorts(nodes int) (ports []int, err error) {
	for range 1000 {
		if port := 20000 + rand.IntN(4000)*portsEach; allFree(port) && !overlap(ports, port) {
			ports = append(ports, port)
		}
		if len(ports) == nodes {
			return ports, nil
		}
	}
	return nil, errors.New("no free ports between 20000 and 32000")
}

func overlap(ports []int, port int) bool {
	for _, p := range ports {
		if p == port {
			return true
		}
	}
	return false
}

func allFree(port int) bool {
	for i := range portsEach {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port+i))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// member is one node's part in the cluster.
type member struct {
	galeraTools
	ports []int // the first port of every node
	own   int   // which of them is this node's
	dir   string
	first bool // it has not yet founded the cluster
	more  []string
}

// install makes the node's directories, and the founder's files; the others get theirs from the founder.
func (m *member) install(ctx context.Context) error {
	for _, name := range []string{"", "tmp"} {
		if err := os.MkdirAll(filepath.Join(m.dir, name), 0o700); err != nil {
			return err
		}
	}
	if !m.first {
		return os.Mkdir(m.data(), 0o700)
	}
	if err := private.Init(ctx, m.dir, private.Options{Args: galeraSizes}); err != nil {
		return err
	}
	return os.Rename(filepath.Join(m.dir, "database", "data"), m.data())
}

func (m *member) data() string { return filepath.Join(m.dir, "data") }

// command runs the node. One that was there before says where it left off, so that it gets only what it missed.
func (m *member) command(ctx context.Context) (*exec.Cmd, error) {
	args := slices.Concat(m.args(), m.galeraArgs(), m.more)
	switch {
	case m.first:
		m.first = false
		args = append(args, "--wsrep-new-cluster")
	default:
		position, err := m.position(ctx, args)
		if err != nil {
			return nil, err
		}
		args = append(args, position...)
	}
	cmd := exec.Command(m.server, args...)
	cmd.Env, cmd.Dir = m.env, m.dir
	return cmd, nil
}

var recovered = regexp.MustCompile(`Recovered position:? ?([0-9a-f-]{36}:-?[0-9]+)`)

// position asks the server's own recovery after a kill, as the service of Debian's package does. A node without files
// has none.
func (m *member) position(ctx context.Context, args []string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(m.data(), "ibdata1")); err != nil {
		return nil, nil
	}
	cmd := exec.CommandContext(ctx, m.server, append(args, "--wsrep-recover")...)
	cmd.Env, cmd.Dir = m.env, m.dir
	said, err := cmd.CombinedOutput()
	found := recovered.FindSubmatch(said)
	if err != nil || found == nil {
		return nil, fmt.Errorf("a node's position can't be recovered: %w: %s", err, said)
	}
	return []string{"--wsrep-start-position=" + string(found[1])}, nil
}

func (m *member) args() []string {
	args := append([]string{
		"--no-defaults", "--datadir=" + m.data(), "--tmpdir=" + filepath.Join(m.dir, "tmp"),
		"--socket=" + filepath.Join(m.dir, "s"), "--pid-file=" + filepath.Join(m.dir, "pid"),
		"--skip-networking", "--skip-name-resolve", "--skip-log-bin", "--binlog-format=ROW",
		"--innodb-autoinc-lock-mode=2", "--max-connections=1000", "--max-allowed-packet=64M", "--default-time-zone=+00:00",
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin", "--performance-schema=OFF",
		"--innodb-buffer-pool-load-at-startup=OFF", "--innodb-buffer-pool-dump-at-shutdown=OFF",
	}, galeraSizes...)
	if os.Geteuid() == 0 {
		args = append(args, "--user=root")
	}
	return args
}

// galeraArgs take a silent node out of the group after a second or two. Galera's own five seconds would be longer than
// a send is patient, and nobody's commit ends before that.
func (m *member) galeraArgs() []string {
	port := m.ports[m.own]
	var group []string
	for _, p := range m.ports {
		group = append(group, fmt.Sprint("127.0.0.1:", p))
	}
	provider := fmt.Sprintf("base_host=127.0.0.1;base_port=%d;gmcast.listen_addr=tcp://127.0.0.1:%d;ist.recv_addr=127.0.0.1:%d;"+
		"gcache.size=64M;evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.3S;evs.suspect_timeout=PT1S;evs.inactive_timeout=PT3S", port, port, port+1)
	return []string{
		"--wsrep-on=ON", "--wsrep-provider=" + m.provider, "--wsrep-provider-options=" + provider,
		"--wsrep-cluster-name=parley", "--wsrep-cluster-address=gcomm://" + strings.Join(group, ","),
		"--wsrep-node-name=" + filepath.Base(m.dir), fmt.Sprint("--wsrep-node-address=127.0.0.1:", port),
		fmt.Sprint("--wsrep-node-incoming-address=127.0.0.1:", port),
		"--wsrep-sst-method=rsync", fmt.Sprint("--wsrep-sst-receive-address=127.0.0.1:", port+2), "--wsrep-slave-threads=4",
	}
}
