package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// A disk that can be filled is a small file system in memory, for which this program needs a mount namespace of its own:
// what is mounted there is gone with the program, however that ends. An ordinary user gets one together with a user
// namespace, where the system allows it.

// inNamespace marks the program that was started anew in a namespace.
const inNamespace = "TORTURE_IN_NAMESPACE"

// enterNamespace starts this program anew in a mount namespace of its own. It returns only where that failed.
func enterNamespace() error {
	if os.Getenv(inNamespace) != "" {
		return nil
	}
	how := "-Urm"
	if os.Geteuid() == 0 {
		how = "-m"
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return err
	}
	if out, err := exec.Command(unshare, how, "mount", "-t", "tmpfs", "tmpfs", os.TempDir()).CombinedOutput(); err != nil {
		return fmt.Errorf("no file system can be mounted here: %w: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(unshare, append([]string{unshare, how, self}, os.Args[1:]...), append(os.Environ(), inNamespace+"=1"))
}

// diskSize is room for the database and for what a run of half an hour stores.
const diskSize = 512 << 20

// mountDisk makes a small disk at dir.
func mountDisk(dir string) error {
	if os.Getenv(inNamespace) == "" {
		return errors.New("this program is not in a namespace of its own")
	}
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0700", diskSize), "tmpfs", dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mounting the small disk: %w: %s", err, out)
	}
	return nil
}

func unmountDisk(dir string) { _ = syscall.Unmount(dir, 0) } // the namespace's end does it otherwise

// fill takes all the room that is left on the disk that holds dir.
func fill(dir string) error {
	file, err := os.Create(filler(dir))
	if err != nil {
		return err
	}
	defer file.Close()
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		_, err := file.Write(chunk)
		if errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			return err
		}
	}
	return nil
}

func empty(dir string) error { return os.Remove(filler(dir)) }

func filler(dir string) string { return filepath.Join(dir, "filler") }
