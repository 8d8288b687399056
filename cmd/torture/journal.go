package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// entry is one thing that a client did, with its result.
type entry struct {
	At     float64 `json:"at"`   // seconds since the start
	Took   float64 `json:"took"` // seconds
	Device string  `json:"device"`
	Node   int     `json:"node"` // -1 where none was reached
	Did    string  `json:"did"`
	Client string  `json:"client,omitempty"`
	Status int     `json:"status,omitempty"`
	Gave   string  `json:"gave,omitempty"` // a message ID, a close code, or what else the answer came to
	Err    string  `json:"err,omitempty"`
}

// journal is every client action and every fault, one JSON object a line.
type journal struct {
	mu    sync.Mutex
	start time.Time
	file  *os.File
	to    *bufio.Writer
	lines int
}

func newJournal(path string, start time.Time) (*journal, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("the journal can't be written: %w", err)
	}
	return &journal{start: start, file: file, to: bufio.NewWriterSize(file, 1<<16)}, nil
}

func (j *journal) add(began time.Time, e entry) {
	e.At, e.Took = began.Sub(j.start).Seconds(), time.Since(began).Seconds()
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // numbers and strings
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines++
	_, _ = j.to.Write(append(text, '\n')) // Close tells of an error
}

// Close writes down what is left.
func (j *journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.to.Flush(); err != nil {
		return err
	}
	return j.file.Close()
}

func (j *journal) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines
}
