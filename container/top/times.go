package top

import (
	"fmt"
	"strconv"
	"time"
)

func timeColumns() map[string]column {
	started := func(title string, show func(start, now time.Time) string) column {
		return column{title, func(pic *picture, p *Process) string { return show(pic.now.Add(-p.age), pic.now) }}
	}
	seconds := func(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
	return map[string]column{
		"time":       of("TIME", func(p *Process) string { return clock(p.processorTime(), true) }),
		"cputimes":   of("TIME", func(p *Process) string { return seconds(p.processorTime()) }),
		"bsdtime":    of("TIME", func(p *Process) string { return minutes(p.processorTime()) }),
		"etime":      of("ELAPSED", func(p *Process) string { return clock(p.age, false) }),
		"etimes":     of("ELAPSED", func(p *Process) string { return seconds(p.age) }),
		"stime":      started("STIME", startTime),
		"start_time": started("START", startTime),
		"bsdstart":   started("START", startTime),
		"start":      started("STARTED", startOfDay),
		"lstart":     started("STARTED", func(start, _ time.Time) string { return start.Format("Mon Jan _2 15:04:05 2006") }),
	}
}

// clock is [DD-]HH:MM:SS; without hours when they need not be there.
func clock(d time.Duration, hours bool) string {
	s := int64(d / time.Second)
	day, hour, rest := s/86400, s/3600%24, fmt.Sprintf("%02d:%02d", s/60%60, s%60)
	switch {
	case day > 0:
		return fmt.Sprintf("%d-%02d:%s", day, hour, rest)
	case hours || hour > 0:
		return fmt.Sprintf("%02d:%s", hour, rest)
	}
	return rest
}

// minutes is M:SS.
func minutes(d time.Duration) string {
	s := int64(d / time.Second)
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// startTime is HH:MM of today, else the day, else the year.
func startTime(start, now time.Time) string {
	switch {
	case start.Year() != now.Year():
		return start.Format("2006")
	case start.YearDay() != now.YearDay():
		return start.Format("Jan02")
	}
	return start.Format("15:04")
}

// startOfDay is the time of the last 24 hours, else the day.
func startOfDay(start, now time.Time) string {
	if now.Sub(start) < 24*time.Hour {
		return start.Format("15:04:05")
	}
	return start.Format("Jan 02")
}
