package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// redis is the one that all nodes share. It keeps nothing: it is only a hint.
type redis struct {
	program, dir string
	port         int
	proc         *process
}

func startRedis(ctx context.Context, dir string, port int) (*redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("no redis-server was found: install one (Debian: apt-get install redis-server): %w", err)
	}
	r := &redis{program: program, dir: dir, port: port}
	return r, r.start(ctx)
}

func (r *redis) start(ctx context.Context) (err error) {
	r.proc, err = spawn(filepath.Join(r.dir, "redis.log"), r.dir, nil, r.program,
		"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	if err != nil {
		return err
	}
	return await(ctx, 20*time.Second, "Redis to answer", r.answers)
}

func (r *redis) answers() bool {
	conn, err := net.DialTimeout("tcp", address(r.port), time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	answer := make([]byte, 7)
	_, writeErr := conn.Write([]byte("PING\r\n"))
	n, readErr := conn.Read(answer)
	return writeErr == nil && readErr == nil && bytes.HasPrefix(answer[:n], []byte("+PONG"))
}

func (r *redis) kill() { r.proc.end(syscall.SIGKILL, time.Minute) }
