package oci

import (
	"errors"
	"strconv"

	"berth/cli/option"
)

// switchOption is option.Switch that refuses in runc's words.
func switchOption(to *bool, forms, usage string) *option.Option {
	return option.Parsed(to, func(s string) (bool, error) {
		v, err := strconv.ParseBool(s)
		return v, simplify(err)
	}, forms, "", usage)
}

// countOption is a number from 0 up.
func countOption(to *int, forms, arg, usage string) *option.Option {
	return option.Parsed(to, func(s string) (int, error) {
		v, err := strconv.ParseUint(s, 10, 31)
		return int(v), simplify(err)
	}, forms, arg, usage)
}

// ignored are flags that callers may send and that change nothing here.
func ignored(o *option.Option) *option.Option {
	o.Hidden = true
	return o
}

// simplify leaves out which of strconv's functions refused a value.
func simplify(err error) error {
	var number *strconv.NumError
	if errors.As(err, &number) {
		return number.Err
	}
	return err
}
