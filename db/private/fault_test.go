package private_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/db/private"
)

// smallDisk mounts a file system of its own. Only root can, and not in every container; there the test is skipped
// even in CI, as there is nothing to install that would help.
func smallDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("making a small disk needs Linux")
	}
	dir = emptyDir(t)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("mount is not permitted here: %v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", dir).Run() })
	return dir
}

func wantFault(t *testing.T, dir string, cause error, words string) {
	t.Helper()
	_, err := private.Start(within(t), dir, nil)
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), dir) {
		t.Errorf("the error is %v", err)
	}
}

func TestFullDiskBeforeTheFirstStart(t *testing.T) {
	for _, size := range []string{"16k", "5m", "30m", "112m"} {
		t.Run(size, func(t *testing.T) {
			begin := time.Now()
			wantFault(t, smallDisk(t, size), syscall.ENOSPC, "is full")
			if took := time.Since(begin); took > patience/2 {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// fill leaves so many bytes of a disk free.
func fill(t *testing.T, dir string, free int64) (file string) {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "filling")
	if err := os.WriteFile(file, make([]byte, int64(s.Bavail)*int64(s.Bsize)-free), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFullDiskAndRoomAgain(t *testing.T) {
	for _, free := range []int64{0, 100 << 10, 5 << 20} {
		disk := smallDisk(t, "160m")
		dir := filepath.Join(disk, "data")
		start(t, dir).Stop(within(t))
		file := fill(t, disk, free)
		wantFault(t, dir, syscall.ENOSPC, "is full")
		os.Remove(file)
		start(t, dir).Stop(within(t))
	}
}

func TestReadOnlyDisk(t *testing.T) {
	disk := smallDisk(t, "160m")
	dir := filepath.Join(disk, "data")
	remount := func(how string) {
		if out, err := exec.Command("mount", "-o", "remount,"+how, disk).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	remount("ro")
	wantFault(t, dir, syscall.EROFS, "read-only")
	remount("rw")
	start(t, dir).Stop(within(t))
	remount("ro")
	wantFault(t, dir, syscall.EROFS, "read-only")
	remount("rw")
	start(t, dir).Stop(within(t))
}

func TestDirectoryOfSomebodyElse(t *testing.T) {
	dir := filepath.Join(emptyDir(t), "closed")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // root may write everywhere
		const nobody = 65534
		if err := syscall.Seteuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := syscall.Seteuid(0); err != nil {
				t.Fatal(err)
			}
		}()
	}
	wantFault(t, dir, syscall.EACCES, "can't be written by user")
}

func TestFileInTheWay(t *testing.T) {
	dir := filepath.Join(emptyDir(t), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantFault(t, dir, syscall.ENOTDIR, "can't be used")
}

func TestFailureIsExplainedByTheLog(t *testing.T) {
	ended := errors.New("its process ended (exit status 1)")
	for log, want := range map[string]string{
		"": "its process ended (exit status 1); its log is ",
		"[ERROR] mariadbd: Error writing file './ddl_recovery.log' (Errcode: 28 \"No space left on device\")":                            "is full",
		"[ERROR] InnoDB: preallocating 12582912 bytes for file ./ibtmp1 failed with error 28":                                            "is full",
		"[ERROR] mariadbd: Can't create/write to file './x' (Errcode: 30 \"Read-only file system\")":                                     "read-only",
		"[ERROR] mariadbd: Can't create/write to file './x' (Errcode: 13 \"Permission denied\")":                                         "can't be written by user",
		"[ERROR] InnoDB: Unsupported redo log format. The redo log was created with MariaDB 11.4.2.":                                     "newer version",
		"[ERROR] [MY-013171] [InnoDB] Cannot boot server version 80036 on data directory built by version 80400. Downgrade is refused.":  "newer version",
		"[ERROR] InnoDB: Cannot allocate memory for the buffer pool":                                                                     "too little free memory",
		"[Warning] io_uring_queue_init() failed with ENOMEM: Cannot allocate memory\n[ERROR] Something odd\n[ERROR] Aborting\n":          "says: [ERROR] Something odd",
		"[ERROR] InnoDB: Database page corruption on disk\n[ERROR] Unknown/unsupported storage engine: InnoDB\n[ERROR] Aborting\n[Note]": "says: [ERROR] InnoDB: Database page corruption on disk",
	} {
		err := private.Failure(t, emptyDir(t), log, ended)
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "database.log") {
			t.Errorf("the log %q gives %v", log, err)
		}
	}
}

func TestFailureReadsTheLastStartOnly(t *testing.T) {
	dir := emptyDir(t)
	private.Failure(t, dir, "[ERROR] No space left on device\n", errors.New("first"))
	if err := private.Failure(t, dir, "[ERROR] Something else\n", errors.New("second")); !strings.Contains(err.Error(), "Something else") {
		t.Errorf("the error is %v", err)
	}
}

// The files of a MySQL under a MariaDB, or the other way round, would be ruined.
func TestFilesOfAnotherKindOfServer(t *testing.T) {
	dir := dataDir(t)
	data := filepath.Join(dir, "database", "data")
	from, to := "aria_log_control", "mysql.ibd"
	if _, err := os.Stat(filepath.Join(data, from)); err != nil {
		from, to = to, from
	}
	if err := os.Rename(filepath.Join(data, from), filepath.Join(data, to)); err != nil {
		t.Fatal(err)
	}
	_, err := private.Start(within(t), dir, nil)
	if err == nil || !strings.Contains(err.Error(), "was made by") {
		t.Errorf("the error is %v", err)
	}
}

func TestStopKillsWhatDoesNotStop(t *testing.T) {
	dir := dataDir(t)
	s := start(t, dir)
	pid := s.PID()
	syscall.Kill(pid, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("the error is %v", err)
	}
	if alive(pid) {
		t.Error("the database still runs")
	}
	start(t, dir)
}
