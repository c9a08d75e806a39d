package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// test evaluates a condition (POSIX test): 0 true, 1 false, 2 a mistake.
func test(c *call, args []string) int {
	if c.name == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			c.fail(errors.New("missing ]"))
			return 2
		}
		args = args[:len(args)-1]
	}
	p := condition{words: args}
	if len(args) == 0 {
		return 1
	}
	truth := p.or()
	if p.err == nil && len(p.words) > 0 {
		p.err = fmt.Errorf("unexpected %q", p.words[0])
	}
	if p.err != nil {
		c.fail(p.err)
		return 2
	}
	if truth {
		return 0
	}
	return 1
}

// condition is a recursive-descent parser over the words left.
type condition struct {
	words []string
	err   error
}

func (p *condition) peek(word string) bool { return len(p.words) > 0 && p.words[0] == word }

func (p *condition) next() string {
	if len(p.words) == 0 {
		if p.err == nil {
			p.err = errors.New("argument expected")
		}
		return ""
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

func (p *condition) or() bool {
	v := p.and()
	for p.peek("-o") {
		p.next()
		r := p.and()
		v = v || r
	}
	return v
}

func (p *condition) and() bool {
	v := p.not()
	for p.peek("-a") {
		p.next()
		r := p.not()
		v = v && r
	}
	return v
}

func (p *condition) not() bool {
	// "! = x" compares the string "!".
	if p.peek("!") && len(p.words) > 1 && !(len(p.words) > 2 && isBinary(p.words[1])) {
		p.next()
		return !p.not()
	}
	return p.primary()
}

func (p *condition) primary() bool {
	if len(p.words) > 2 && isBinary(p.words[1]) {
		a, op, b := p.next(), p.next(), p.next()
		return p.binary(a, op, b)
	}
	if p.peek("(") && len(p.words) > 2 {
		p.next()
		v := p.or()
		if p.next() != ")" && p.err == nil {
			p.err = errors.New("missing )")
		}
		return v
	}
	w := p.next()
	if len(w) == 2 && w[0] == '-' && len(p.words) > 0 {
		return p.unary(w[1], p.next())
	}
	return w != ""
}

func isBinary(op string) bool {
	switch op {
	case "=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef":
		return true
	}
	return false
}

func (p *condition) binary(a, op, b string) bool {
	switch op {
	case "=", "==":
		return a == b
	case "!=":
		return a != b
	case "-nt", "-ot", "-ef":
		x, err1 := os.Stat(a)
		y, err2 := os.Stat(b)
		if err1 != nil || err2 != nil {
			return false
		}
		return op == "-nt" && x.ModTime().After(y.ModTime()) || op == "-ot" && x.ModTime().Before(y.ModTime()) ||
			op == "-ef" && os.SameFile(x, y)
	}
	x, err1 := strconv.ParseInt(a, 10, 64)
	y, err2 := strconv.ParseInt(b, 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		p.err = fmt.Errorf("%s %s %s: bad number", a, op, b)
		return false
	}
	switch op {
	case "-eq":
		return x == y
	case "-ne":
		return x != y
	case "-lt":
		return x < y
	case "-le":
		return x <= y
	case "-gt":
		return x > y
	}
	return x >= y
}

func (p *condition) unary(op byte, arg string) bool {
	switch op {
	case 'n':
		return arg != ""
	case 'z':
		return arg == ""
	case 'r':
		return unix.Access(arg, unix.R_OK) == nil
	case 'w':
		return unix.Access(arg, unix.W_OK) == nil
	case 'x':
		return unix.Access(arg, unix.X_OK) == nil
	case 't':
		fd, err := strconv.Atoi(arg)
		_, ioctlErr := unix.IoctlGetTermios(fd, unix.TCGETS)
		return err == nil && ioctlErr == nil
	}
	var st unix.Stat_t
	look := unix.Stat
	if op == 'h' || op == 'L' {
		look = unix.Lstat
	}
	exists := look(arg, &st) == nil
	kinds := map[byte]uint32{
		'f': unix.S_IFREG, 'd': unix.S_IFDIR, 'h': unix.S_IFLNK, 'L': unix.S_IFLNK, 'p': unix.S_IFIFO,
		'S': unix.S_IFSOCK, 'c': unix.S_IFCHR, 'b': unix.S_IFBLK,
	}
	bits := map[byte]uint32{'u': unix.S_ISUID, 'g': unix.S_ISGID, 'k': unix.S_ISVTX}
	switch {
	case op == 'e':
		return exists
	case op == 's':
		return exists && st.Size > 0
	case kinds[op] != 0:
		return exists && uint32(st.Mode)&unix.S_IFMT == kinds[op]
	case bits[op] != 0:
		return exists && uint32(st.Mode)&bits[op] != 0
	}
	p.err = fmt.Errorf("unknown operator -%c", op)
	return false
}
