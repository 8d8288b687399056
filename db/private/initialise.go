package private

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
)

// Init makes the database's files below dir, unless they are there, without starting the database.
func Init(ctx context.Context, dir string, opts Options) error {
	h, lock, err := claim(ctx, dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	prog, err := find(ctx, h)
	if err != nil {
		return err
	}
	return initialise(ctx, h, prog, opts, slog.New(slog.DiscardHandler))
}

// End ends a database that a killed Parley left running below dir. Start does so by itself; End is for somebody who
// wants to remove the directory.
func End(ctx context.Context, dir string) error {
	h, lock, err := claim(ctx, dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	alone, err := endFormer(ctx, h, slog.New(slog.DiscardHandler))
	if err == nil {
		alone.Close()
	}
	return err
}

// initialise makes the files under another name and renames them when they are complete, so that a kill on the way
// leaves nothing half-made at the place where Start looks.
func initialise(ctx context.Context, h home, prog program, opts Options, logger *slog.Logger) error {
	h.removeHalfMade()
	if _, err := os.Stat(h.data()); err == nil {
		return nil
	}
	logger.Info("Parley makes its private database. This happens once.", "dir", h.data(), "program", prog.path)
	half, err := os.MkdirTemp(h.path(""), halfMade)
	if err != nil {
		return explain(h, err)
	}
	if err := h.runInstaller(ctx, prog, filepath.Base(half), opts); err != nil {
		h.removeHalfMade()
		return err
	}
	syscall.Sync() // the rename must not reach the disk before the files do
	if err := os.Rename(half, h.data()); err != nil {
		return explain(h, err)
	}
	return nil
}

// halfMade starts the names of unfinished directories. Each is new: a killed Parley's installer may still be busy
// in the last one.
const halfMade = "data.init-"

func (h home) removeHalfMade() {
	left, _ := filepath.Glob(filepath.Join(h.path(""), halfMade+"*"))
	for _, dir := range left {
		os.RemoveAll(dir)
	}
}

func (h home) runInstaller(ctx context.Context, prog program, name string, opts Options) error {
	args, err := prog.installer(name, opts)
	if err != nil {
		return err
	}
	log, err := h.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	from := log.size
	p, err := spawn(&exec.Cmd{Path: args[0], Args: args, Dir: h.path(""), Env: environment(), Stdout: log, Stderr: log})
	if err != nil {
		return explain(h, err)
	}
	ctx, done := h.whileRoom(ctx)
	defer done()
	if err := p.wait(ctx); err != nil {
		return h.failure("Parley could not make its private database", from, err)
	}
	return nil
}

// installer is the command that fills the directory called name in the working directory. The name is relative
// because MariaDB's script breaks on a path with a space.
func (p program) installer(name string, opts Options) ([]string, error) {
	rest := slices.Concat(commonArgs(), userArgs(), opts.Args)
	if !p.mariadb {
		return append([]string{p.path, "--no-defaults", "--initialize-insecure", "--datadir=" + name}, rest...), nil
	}
	script, err := p.installScript()
	if err != nil {
		return nil, err
	}
	return append([]string{script, "--no-defaults", "--datadir=./" + name, "--skip-test-db", "--auth-root-authentication-method=normal"}, rest...), nil
}

// installScript looks around the server program first, so that the two belong together.
func (p program) installScript() (string, error) {
	real, err := filepath.EvalSymlinks(p.path)
	if err != nil {
		return "", err
	}
	prefix := filepath.Dir(filepath.Dir(real))
	for _, name := range []string{"mariadb-install-db", "mysql_install_db"} {
		for _, dir := range []string{"bin", "scripts", "sbin", "../bin"} {
			if path, err := exec.LookPath(filepath.Join(prefix, dir, name)); err == nil {
				return path, nil
			}
		}
		if path := look(name); path != "" {
			return path, nil
		}
	}
	return "", fmt.Errorf("the program mariadb-install-db, which belongs to %s, was not found: install the whole MariaDB server package, or set PARLEY_DATABASE_URL", p.path)
}
