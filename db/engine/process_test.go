package engine

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain also is a program that starts a process and waits to be killed.
func TestMain(m *testing.M) {
	if os.Getenv("ENGINE_TEST_PARENT") == "" {
		os.Exit(m.Run())
	}
	p, err := spawn(exec.Command("sleep", "600"))
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(strconv.Itoa(p.cmd.Process.Pid) + "\n")
	<-p.exited
}

// No server may outlive the test that started it, however that ends.
func TestProcessEndsWithWhoStartedIt(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "ENGINE_TEST_PARENT=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	child, numErr := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || numErr != nil || syscall.Kill(child, 0) != nil {
		t.Fatalf("there is no child: %q %v", line, err)
	}
	parent.Process.Kill()
	parent.Wait()
	for deadline := time.Now().Add(20 * time.Second); alive(child); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the child outlives its parent")
		}
	}
}

// alive says whether a process runs; one that has ended may wait for its new parent to ask.
func alive(pid int) bool {
	state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(state), ") Z ")
}
