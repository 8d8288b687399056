package private

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// moreDirs are where packages put server programs that an ordinary user's PATH does not name.
var moreDirs = []string{"/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/libexec"}

// ErrMissing says that no database server program is installed.
var ErrMissing = errors.New("no database server program (mariadbd or mysqld) was found: install one (Debian and Ubuntu: apt-get install mariadb-server; Fedora: dnf install mariadb-server; macOS: brew install mariadb), or set PARLEY_DATABASE_URL to use a server that runs elsewhere")

// program is a database server program.
type program struct {
	path    string
	mariadb bool // otherwise MySQL
}

// find looks for a program that can run what lies in h: a MariaDB can't run a MySQL's files, nor the other way round.
func find(ctx context.Context, h home) (program, error) {
	found, made := programs(ctx), maker(h.data())
	for _, p := range found {
		if made == "" || made == p.kind() {
			return p, nil
		}
	}
	if len(found) == 0 {
		return program{}, ErrMissing
	}
	return program{}, fmt.Errorf("the database in the data directory %s was made by %s, but only %s is installed (%s): install %s again, or give Parley another PARLEY_DATA_DIR", h.dir, made, found[0].kind(), found[0].path, made)
}

// Version names the server program that Start would use for a new directory, and its version, in one line.
func Version(ctx context.Context) (string, error) {
	found := programs(ctx)
	if len(found) == 0 {
		return "", ErrMissing
	}
	return found[0].version(ctx)
}

// programs lists what is installed, the ones named mariadbd first: their kind needs no asking.
func programs(ctx context.Context) (found []program) {
	if path := look("mariadbd"); path != "" {
		found = append(found, program{path: path, mariadb: true})
	}
	if path := look("mysqld"); path != "" {
		p := program{path: path}
		// On many systems mysqld is another name for mariadbd.
		if real, err := filepath.EvalSymlinks(path); err != nil || len(found) == 0 || real != found[0].path {
			said, _ := p.version(ctx)
			p.mariadb = strings.Contains(said, "MariaDB")
			found = append(found, p)
		}
	}
	return found
}

func look(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range moreDirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

func (p program) version(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, p.path, "--no-defaults", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("the database server program %s does not run: %w", p.path, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (p program) kind() string {
	if p.mariadb {
		return "MariaDB"
	}
	return "MySQL"
}

// maker tells by their files whose a database's files are; "" when there are none.
func maker(data string) string {
	for name, kind := range map[string]string{"aria_log_control": "MariaDB", "mysql.ibd": "MySQL"} {
		if _, err := os.Stat(filepath.Join(data, name)); err == nil {
			return kind
		}
	}
	return ""
}

// serverArgs is the whole configuration: no file of the machine is read.
func (p program) serverArgs(h home, opts Options) []string {
	args := []string{
		"--no-defaults",
		"--datadir=" + h.data(),
		"--tmpdir=" + h.tmp(),
		"--socket=" + h.socket,
		"--pid-file=" + h.pidFile(),
		"--skip-networking",
		"--skip-name-resolve",
		"--skip-log-bin",
		"--max-connections=300",
		"--max-allowed-packet=64M",
		"--default-time-zone=+00:00",
		"--innodb-fast-shutdown=1",
	}
	if !p.mariadb {
		args = append(args, "--mysqlx=OFF") // its second protocol, with a socket of its own
	}
	return slices.Concat(args, commonArgs(), userArgs(), opts.Args)
}

// commonArgs hold for initialising too. The sizes suit a small team and must be the same in both, or the first
// start would build the redo log anew (loose-, as MySQL is about to rename its size). What is committed is on the disk (flush-log-at-trx-commit). Loading the
// buffer pool's old content, and measuring for the performance schema, would slow the start down.
func commonArgs() []string {
	return []string{
		"--innodb-flush-log-at-trx-commit=1",
		"--innodb-buffer-pool-size=128M",
		"--loose-innodb-log-file-size=96M",
		"--innodb-buffer-pool-load-at-startup=OFF",
		"--innodb-buffer-pool-dump-at-shutdown=OFF",
		"--performance-schema=OFF",
		"--character-set-server=utf8mb4",
		"--collation-server=utf8mb4_bin",
	}
}

// userArgs lets root's Parley run root's database, which the server programs refuse unless told so: its directory
// is root's alone. Changing to another user would also undo the signal that ends it with Parley (see spawn).
func userArgs() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}
