package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// longestLine bounds what the line-wise utilities read in one piece, in bytes.
const longestLine = 16 << 20

func textApplets() map[string]applet {
	return map[string]applet{
		"head": head, "tail": tail, "wc": wordCount, "sort": sortLines, "uniq": uniq, "tr": translate,
		"tee": tee, "grep": grep, "cut": cut, "seq": seq, "yes": yes, "od": dump, "hexdump": dump, "echo": echo,
	}
}

func lines(r io.Reader, f func(line string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, longestLine)
	for s.Scan() {
		if err := f(s.Text()); err != nil {
			return err
		}
	}
	return s.Err()
}

// errDone ends a walk over lines early.
var errDone = errors.New("done")

// count reads -n N, -c N and the old -N.
func (c *call) count(args []string) (n int64, bytes bool, rest []string, err error) {
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0][1] >= '0' && args[0][1] <= '9' {
		args = append([]string{"-n", args[0][1:]}, args[1:]...)
	}
	_, v, rest, err := c.flags(args, "fq", "nc")
	if err != nil {
		return 0, false, nil, err
	}
	text, bytes := v['c'], v['c'] != ""
	if !bytes {
		if text = v['n']; text == "" {
			text = "10"
		}
	}
	n, err = strconv.ParseInt(strings.TrimPrefix(text, "+"), 10, 64)
	return n, bytes, rest, err
}

func head(c *call, args []string) int {
	n, bytes, rest, err := c.count(args)
	if err != nil {
		return c.fail(err)
	}
	return c.each(rest, func(_ string, r io.Reader) error {
		if bytes {
			_, err := io.CopyN(c.out, r, n)
			if err == io.EOF {
				return nil
			}
			return err
		}
		left := n
		err := lines(r, func(l string) error {
			if left--; left < 0 {
				return errDone
			}
			fmt.Fprintln(c.out, l)
			return nil
		})
		if errors.Is(err, errDone) {
			return nil
		}
		return err
	})
}

func tail(c *call, args []string) int {
	n, bytes, rest, err := c.count(args)
	if err != nil {
		return c.fail(err)
	}
	return c.each(rest, func(_ string, r io.Reader) error {
		if bytes {
			b, err := io.ReadAll(r)
			c.out.Write(b[max(0, len(b)-int(n)):])
			return err
		}
		var last []string
		err := lines(r, func(l string) error {
			if last = append(last, l); int64(len(last)) > n {
				last = last[1:]
			}
			return nil
		})
		for _, l := range last {
			fmt.Fprintln(c.out, l)
		}
		return err
	})
}

func wordCount(c *call, args []string) int {
	on, _, rest, err := c.flags(args, "lwcm", "")
	if err != nil {
		return c.fail(err)
	}
	if len(on) == 0 {
		on = map[byte]bool{'l': true, 'w': true, 'c': true}
	}
	return c.each(rest, func(name string, r io.Reader) error {
		n := map[byte]int{}
		br := bufio.NewReader(r)
		inWord := false
		for {
			ch, size, err := br.ReadRune()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			n['c'] += size
			n['m']++
			if ch == '\n' {
				n['l']++
			}
			space := strings.ContainsRune(" \t\n\r\v\f", ch)
			if !space && !inWord {
				n['w']++
			}
			inWord = !space
		}
		var fields []string
		for _, k := range []byte("lwmc") {
			if on[k] {
				fields = append(fields, strconv.Itoa(n[k]))
			}
		}
		if name != "-" {
			fields = append(fields, name)
		}
		fmt.Fprintln(c.out, strings.Join(fields, " "))
		return nil
	})
}

func sortLines(c *call, args []string) int {
	on, _, rest, err := c.flags(args, "nru", "")
	if err != nil {
		return c.fail(err)
	}
	var all []string
	code := c.each(rest, func(_ string, r io.Reader) error {
		return lines(r, func(l string) error { all = append(all, l); return nil })
	})
	slices.SortStableFunc(all, func(a, b string) int {
		if on['n'] {
			if d := leadingNumber(a) - leadingNumber(b); d != 0 {
				return map[bool]int{true: 1, false: -1}[d > 0]
			}
		}
		return strings.Compare(a, b)
	})
	if on['r'] {
		slices.Reverse(all)
	}
	if on['u'] {
		all = slices.Compact(all)
	}
	for _, l := range all {
		fmt.Fprintln(c.out, l)
	}
	return code
}

func leadingNumber(s string) float64 {
	s = strings.TrimSpace(s)
	end := 0
	for end < len(s) && strings.IndexByte("-0123456789.", s[end]) >= 0 {
		end++
	}
	n, _ := strconv.ParseFloat(s[:end], 64)
	return n
}

func uniq(c *call, args []string) int {
	on, _, rest, err := c.flags(args, "cd", "")
	if err != nil {
		return c.fail(err)
	}
	last, n := "", 0
	emit := func() {
		switch {
		case n == 0 || on['d'] && n < 2:
		case on['c']:
			fmt.Fprintf(c.out, "%7d %s\n", n, last)
		default:
			fmt.Fprintln(c.out, last)
		}
	}
	code := c.each(rest, func(_ string, r io.Reader) error {
		return lines(r, func(l string) error {
			if n == 0 || l != last {
				emit()
				last, n = l, 0
			}
			n++
			return nil
		})
	})
	emit()
	return code
}

// expandSet expands ranges and escapes of tr.
func expandSet(s string) []rune {
	s = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\0`, "\x00", `\\`, `\`, `[:upper:]`, "A-Z", `[:lower:]`, "a-z",
		`[:digit:]`, "0-9", `[:space:]`, " \t\n\v\f\r").Replace(s)
	var set []rune
	in := []rune(s)
	for i := 0; i < len(in); i++ {
		if i+2 < len(in) && in[i+1] == '-' && in[i] <= in[i+2] {
			for r := in[i]; r <= in[i+2]; r++ {
				set = append(set, r)
			}
			i += 2
			continue
		}
		set = append(set, in[i])
	}
	return set
}

func translate(c *call, args []string) int {
	on, _, rest, err := c.flags(args, "dsc", "")
	if err != nil {
		return c.fail(err)
	}
	if len(rest) == 0 || !on['d'] && !on['s'] && len(rest) < 2 {
		return c.usage("[-cds] SET1 [SET2]")
	}
	from := expandSet(rest[0])
	var to []rune
	if len(rest) > 1 {
		to = expandSet(rest[1])
	}
	r := bufio.NewReader(c.in)
	last := rune(-1)
	for {
		ch, size, err := r.ReadRune()
		if err == io.EOF {
			return 0
		}
		if err != nil {
			return c.fail(err)
		}
		if ch == utf8.RuneError && size == 1 {
			_ = r.UnreadRune()
			b, _ := r.ReadByte()
			c.out.WriteByte(b)
			continue
		}
		at := slices.Index(from, ch)
		if on['c'] {
			at = map[bool]int{true: len(from), false: -1}[at < 0]
		}
		if at >= 0 && on['d'] {
			continue
		}
		if at >= 0 && len(to) > 0 {
			ch = to[min(at, len(to)-1)]
		}
		if at >= 0 && on['s'] && ch == last {
			continue
		}
		last = ch
		c.out.WriteRune(ch)
	}
}

func tee(c *call, args []string) int {
	on, _, rest, err := c.flags(args, "ai", "")
	if err != nil {
		return c.fail(err)
	}
	mode := os.O_TRUNC
	if on['a'] {
		mode = os.O_APPEND
	}
	outs := []io.Writer{os.Stdout}
	for _, name := range rest {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|mode, 0o666)
		if err != nil {
			return c.fail(err)
		}
		defer f.Close()
		outs = append(outs, f)
	}
	if _, err := io.Copy(io.MultiWriter(outs...), c.in); err != nil {
		return c.fail(err)
	}
	return 0
}

func grep(c *call, args []string) int {
	on, v, rest, err := c.flags(args, "ivnqcolhEFswx", "e")
	if err != nil {
		return c.fail(err)
	}
	pattern, given := v['e']
	if !given {
		if len(rest) == 0 {
			return c.usage("[-EFchilnoqvwx] PATTERN [FILE…]")
		}
		pattern, rest = rest[0], rest[1:]
	}
	re, err := grepPattern(pattern, on)
	if err != nil {
		c.fail(err)
		return 2
	}
	matched, prefix := false, len(rest) > 1 && !on['h']
	code := c.each(rest, func(name string, r io.Reader) error {
		number, hits := 0, 0
		err := lines(r, func(l string) error {
			number++
			if re.MatchString(l) == on['v'] {
				return nil
			}
			hits++
			matched = true
			if on['q'] || on['l'] {
				return errDone
			}
			if on['c'] {
				return nil
			}
			at := label(name, prefix) + label(strconv.Itoa(number), on['n'])
			texts := []string{l}
			if on['o'] {
				texts = re.FindAllString(l, -1)
			}
			for _, text := range texts {
				fmt.Fprintln(c.out, at+text)
			}
			return nil
		})
		switch {
		case on['c']:
			fmt.Fprintln(c.out, label(name, prefix)+strconv.Itoa(hits))
		case on['l'] && hits > 0:
			fmt.Fprintln(c.out, name)
		}
		if errors.Is(err, errDone) {
			return nil
		}
		return err
	})
	return grepStatus(code, matched)
}

// label is what stands before a line that is found, if it is wanted.
func label(text string, wanted bool) string {
	if !wanted {
		return ""
	}
	return text + ":"
}

// grepStatus: 2 is an error, 1 no match (grep(1)).
func grepStatus(failed int, matched bool) int {
	switch {
	case failed != 0:
		return 2
	case matched:
		return 0
	}
	return 1
}
