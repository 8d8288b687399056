package engine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrNoTiDB says that there is no TiDB server program.
var ErrNoTiDB = errors.New("no tidb-server is on PATH: .ci/engines tidb builds one")

// StartTiDB starts one TiDB server, with a storage of its own below dir, which has to be short, for a unix socket's
// path has little room. The program tidb-server has to be on PATH.
func StartTiDB(ctx context.Context, dir string) (*Node, error) {
	program, err := exec.LookPath("tidb-server")
	if err != nil {
		return nil, ErrNoTiDB
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	n := &Node{name: "TiDB", dir: dir}
	n.launch = func(context.Context) (*exec.Cmd, error) {
		cmd := exec.Command(program, "-store=unistore", "-path="+filepath.Join(dir, "data"), "-socket="+n.socket(),
			"-host=", "-P=0", "-report-status=false", "-L=warn", "-temp-dir="+filepath.Join(dir, "tmp"))
		cmd.Env, cmd.Dir = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, "HOME=" + dir}, dir
		return cmd, nil
	}
	if err := n.Start(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// Stop shuts the node down, or kills it when ctx ends first.
func (n *Node) Stop(ctx context.Context) { n.stop(ctx) }
