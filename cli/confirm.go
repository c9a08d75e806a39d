package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
)

// confirm asks a question that only a y answers with yes, as docker's prune
// commands do. The end of the input and of the context are a no.
func (s *session) confirm(ctx context.Context, question string) (bool, error) {
	if _, err := fmt.Fprint(s.out, question, " [y/N] "); err != nil {
		return false, err
	}
	if s.stdio.In == nil {
		return false, nil
	}
	answer := make(chan string, 1)
	go func() { answer <- firstLine(s.stdio.In) }()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case line := <-answer:
		return strings.EqualFold(strings.TrimSpace(line), "y"), nil
	}
}

// firstLine reads a line; what cannot be read is empty.
func firstLine(r io.Reader) string {
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil && err != io.EOF {
		return ""
	}
	return line
}
