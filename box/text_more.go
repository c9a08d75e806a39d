package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// grepPattern compiles a pattern. Basic syntax, grep's default, escapes what
// extended syntax does not: the two are swapped for Go's.
func grepPattern(p string, on map[byte]bool) (*regexp.Regexp, error) {
	switch {
	case on['F']:
		p = regexp.QuoteMeta(p)
	case !on['E']:
		var b strings.Builder
		for i := 0; i < len(p); i++ {
			switch {
			case p[i] == '\\' && i+1 < len(p) && strings.IndexByte("(){}+?|", p[i+1]) >= 0:
				i++
				b.WriteByte(p[i])
			case p[i] == '\\' && i+1 < len(p):
				b.WriteString(p[i : i+2])
				i++
			case strings.IndexByte("(){}+?|", p[i]) >= 0:
				b.WriteByte('\\')
				b.WriteByte(p[i])
			default:
				b.WriteByte(p[i])
			}
		}
		p = b.String()
	}
	if on['w'] {
		p = `\b(?:` + p + `)\b`
	}
	if on['x'] {
		p = `^(?:` + p + `)$`
	}
	if on['i'] {
		p = "(?i)" + p
	}
	return regexp.Compile(p)
}

func cut(c *call, args []string) int {
	on, v, rest, err := c.flags(args, "s", "dfc")
	if err != nil {
		return c.fail(err)
	}
	list, byField := v['f'], v['f'] != ""
	if !byField {
		list = v['c']
	}
	if list == "" {
		return c.usage("-f LIST [-d DELIM] [-s] | -c LIST [FILE…]")
	}
	delim := "\t"
	if v['d'] != "" {
		delim = v['d']
	}
	return c.each(rest, func(_ string, r io.Reader) error {
		return lines(r, func(l string) error {
			parts, joint := strings.Split(l, ""), ""
			if byField {
				parts, joint = strings.Split(l, delim), delim
				if len(parts) == 1 {
					if !on['s'] {
						fmt.Fprintln(c.out, l)
					}
					return nil
				}
			}
			var keep []string
			for i, p := range parts {
				in, err := inList(list, i+1)
				if err != nil {
					return err
				}
				if in {
					keep = append(keep, p)
				}
			}
			fmt.Fprintln(c.out, strings.Join(keep, joint))
			return nil
		})
	})
}

// inList reports whether n is in a list such as "1,3-5,7-".
func inList(list string, n int) (bool, error) {
	for item := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(item, "-")
		if !isRange {
			high = low
		}
		from, to := 1, int(^uint(0)>>1)
		var err1, err2 error
		if low != "" {
			from, err1 = strconv.Atoi(low)
		}
		if high != "" {
			to, err2 = strconv.Atoi(high)
		}
		if err := errors.Join(err1, err2); err != nil {
			return false, fmt.Errorf("bad list %q", list)
		}
		if n >= from && n <= to {
			return true, nil
		}
	}
	return false, nil
}

func seq(c *call, args []string) int {
	// Negative numbers look like options, so there are no options.
	var n []int64
	for _, a := range args {
		v, err := strconv.ParseInt(a, 10, 64)
		if err != nil {
			return c.fail(fmt.Errorf("%q is not a whole number", a))
		}
		n = append(n, v)
	}
	first, step, last := int64(1), int64(1), int64(0)
	switch len(n) {
	case 1:
		last = n[0]
	case 2:
		first, last = n[0], n[1]
	case 3:
		first, step, last = n[0], n[1], n[2]
	default:
		return c.usage("[FIRST [STEP]] LAST")
	}
	if step == 0 {
		return c.fail(errors.New("step must not be 0"))
	}
	for i := first; step > 0 && i <= last || step < 0 && i >= last; i += step {
		if _, err := fmt.Fprintln(c.out, i); err != nil {
			return c.fail(err)
		}
	}
	return 0
}

func yes(c *call, args []string) int {
	text := "y"
	if len(args) > 0 {
		text = strings.Join(args, " ")
	}
	for {
		if _, err := fmt.Fprintln(c.out, text); err != nil {
			return 1
		}
	}
}

// dump prints bytes in hex with their offset, sixteen a line.
func dump(c *call, args []string) int {
	_, _, rest, err := c.flags(args, "Cvcx", "Atn")
	if err != nil {
		return c.fail(err)
	}
	return c.each(rest, func(_ string, r io.Reader) error {
		buf := make([]byte, 16)
		for offset := 0; ; {
			n, err := io.ReadFull(r, buf)
			if n > 0 {
				text := strings.Map(func(r rune) rune {
					if r < ' ' || r > '~' {
						return '.'
					}
					return r
				}, string(latin1(buf[:n])))
				fmt.Fprintf(c.out, "%08x  % -48x |%s|\n", offset, buf[:n], text)
				offset += n
			}
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				fmt.Fprintf(c.out, "%08x\n", offset)
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
}

func latin1(b []byte) []rune {
	out := make([]rune, len(b))
	for i, c := range b {
		out[i] = rune(c)
	}
	return out
}

func echo(c *call, args []string) int {
	newline := true
	if len(args) > 0 && args[0] == "-n" {
		newline, args = false, args[1:]
	}
	fmt.Fprint(c.out, strings.Join(args, " "))
	if newline {
		fmt.Fprintln(c.out)
	}
	return 0
}

func hostname(c *call, args []string) int {
	name, err := os.Hostname()
	if err != nil {
		return c.fail(err)
	}
	fmt.Fprintln(c.out, name)
	return 0
}
