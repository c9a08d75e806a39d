// Package top owns what is known of the processes of a container from outside:
// it reads them from /proc and shows them in the columns of ps(1), for the same
// options. Neither a program of the container nor one of the host is run.
//
// The columns mean what they mean in procps, by their names there; a column or
// an option that this package does not know is an error that names it. All
// processes are those of the container anyway, so options that widen ps's
// selection (-e, -A, a, x) change nothing, and those that narrow it are refused.
//
// What a process calls itself is its own choice: no control character of it
// reaches the caller's terminal.
package top
