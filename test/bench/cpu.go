//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of /proc/stat and /proc/PID/stat: USER_HZ is 100 on every
// Linux that Go runs on.
const tick = 10 * time.Millisecond

// cores are the CPUs in use; equal where there is only one.
type cores struct{ server, driver int }

func (c cores) String() string { return fmt.Sprintf("%d,%d", c.server, c.driver) }

func parseCores(s string) (c cores, err error) {
	if _, err = fmt.Sscanf(s, "%d,%d", &c.server, &c.driver); err != nil {
		return c, fmt.Errorf("cores %q: want server,driver", s)
	}
	return c, nil
}

// allowedCores are the first two CPUs that this process may use.
func allowedCores() (cores, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return cores{}, fmt.Errorf("read affinity: %w", err)
	}
	var found []int
	for i := 0; i < 8*len(set)*8 && len(found) < 2; i++ {
		if set.IsSet(i) {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return cores{}, errors.New("read affinity: no CPU")
	}
	return cores{server: found[0], driver: found[len(found)-1]}, nil
}

// pinThread binds the calling thread, and what it executes, to one CPU.
func pinThread(core int) error {
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to CPU %d: %w", core, err)
	}
	return nil
}

// coreTime is one cpuN line of /proc/stat.
type coreTime struct{ busy, steal time.Duration }

func parseMachine(stat string) map[int]coreTime {
	out := map[int]coreTime{}
	for line := range strings.Lines(stat) {
		f := strings.Fields(line)
		if len(f) < 9 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		n, err := strconv.Atoi(f[0][3:])
		if err != nil {
			continue // the sum of all
		}
		var v [8]time.Duration // user nice system idle iowait irq softirq steal
		for i := range v {
			t, _ := strconv.ParseInt(f[1+i], 10, 64)
			v[i] = time.Duration(t) * tick
		}
		out[n] = coreTime{busy: v[0] + v[1] + v[2] + v[5] + v[6], steal: v[7]}
	}
	return out
}

// parseProcessTime reads utime+stime out of /proc/PID/stat.
func parseProcessTime(stat string) (time.Duration, error) {
	end := strings.LastIndexByte(stat, ')') // the name may hold blanks
	f := strings.Fields(stat[end+1:])
	if end < 0 || len(f) < 13 {
		return 0, errors.New("stat of a process is too short")
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// parseStatus reads one value in kB out of /proc/PID/status, as bytes.
func parseStatus(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("status has no %s", name)
}

// runDelay is how long threads of a process were ready to run and did not.
func runDelay(pid int) time.Duration {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var sum time.Duration
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			continue // the thread ended
		}
		if f := strings.Fields(string(b)); len(f) > 1 {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			sum += time.Duration(n)
		}
	}
	return sum
}

// family is a process and all that descend from it.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				continue // the thread ended
			}
			for _, f := range strings.Fields(string(b)) {
				if child, err := strconv.Atoi(f); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// processTime is the CPU time of a process and its children so far.
func processTime(pid int) (sum time.Duration, err error) {
	for _, p := range family(pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
		if err != nil {
			return 0, fmt.Errorf("CPU time of %d: %w", p, err)
		}
		d, err := parseProcessTime(string(b))
		if err != nil {
			return 0, fmt.Errorf("CPU time of %d: %w", p, err)
		}
		sum += d
	}
	return sum, nil
}

// sharedMemory is the resident size of a process and its children, pages that
// they share counted once, in bytes.
func sharedMemory(pid int) (sum int64, err error) {
	for _, p := range family(pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		if err != nil {
			return 0, fmt.Errorf("memory of %d: %w", p, err)
		}
		n, err := parseStatus(string(b), "Pss")
		if err != nil {
			return 0, fmt.Errorf("memory of %d: %w", p, err)
		}
		sum += n
	}
	return sum, nil
}

// memory is the resident size of one process now and its peak, in bytes.
type memory struct{ RSS, Peak, File int64 }

func processMemory(pid int) (m memory, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m, fmt.Errorf("memory of %d: %w", pid, err)
	}
	var errs [3]error
	m.RSS, errs[0] = parseStatus(string(b), "VmRSS")
	m.Peak, errs[1] = parseStatus(string(b), "VmHWM")
	m.File, errs[2] = parseStatus(string(b), "RssFile")
	return m, errors.Join(errs[:]...)
}

// reading is the state of the machine at one moment.
type reading struct {
	at             time.Time
	cores          map[int]coreTime
	server, driver time.Duration // CPU time so far
	driverWait     time.Duration // ready to run but not running, so far
}

func read(serverPID int) (r reading, err error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return r, fmt.Errorf("read the machine's CPU time: %w", err)
	}
	r.at, r.cores = time.Now(), parseMachine(string(b))
	if r.server, err = processTime(serverPID); err != nil {
		return r, err
	}
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return r, fmt.Errorf("read own CPU time: %w", err)
	}
	r.driver = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	r.driverWait = runDelay(os.Getpid())
	return r, nil
}

// span is what happened between two readings.
type span struct {
	Wall           time.Duration
	Server, Driver time.Duration // CPU time of the two processes
	// Shares of Wall.
	Steal       float64 // the more stolen of the two cores, by the host
	OthersHere  float64 // the driver's core, used by others
	OthersThere float64 // the server's core, used by others
	DriverWait  float64 // the driver was ready and did not run
}

func between(a, b reading, c cores) span {
	s := span{Wall: b.at.Sub(a.at), Server: b.server - a.server, Driver: b.driver - a.driver}
	part := func(d time.Duration) float64 { return max(0, float64(d)/float64(s.Wall)) }
	busy := func(core int) time.Duration { return b.cores[core].busy - a.cores[core].busy }
	steal := func(core int) time.Duration { return b.cores[core].steal - a.cores[core].steal }
	s.Steal = max(part(steal(c.server)), part(steal(c.driver)))
	s.OthersThere, s.OthersHere = part(busy(c.server)-s.Server), part(busy(c.driver)-s.Driver)
	if c.server == c.driver {
		s.OthersThere = part(busy(c.server) - s.Server - s.Driver)
		s.OthersHere = s.OthersThere
	}
	s.DriverWait = part(b.driverWait - a.driverWait)
	return s
}

// ServerShare is the server's use of one core, 1 is all of it.
func (s span) ServerShare() float64 { return float64(s.Server) / float64(s.Wall) }

// DriverShare is the driver's use of one core.
func (s span) DriverShare() float64 { return float64(s.Driver) / float64(s.Wall) }

// Bounds of a round that counts.
const (
	maxSteal  = 0.02
	maxOthers = 0.05
	maxWait   = 0.10
)

// demand is what a round asks of the machine, and so what can spoil it.
type demand uint8

const (
	maximum  demand = iota // the server at its limit: its core must be its own
	share                  // the server's CPU time under a given load
	compared               // servers by turns, each searched for its limit: both cores must be ours
	resident               // memory, which others do not change
)

// disturbed says why a round does not count, "" when it does. The driver was
// the bottleneck when it had no time left while the server, meant to be at its
// maximum, had.
func (s span) disturbed(d demand) string {
	switch {
	case d == resident:
		return ""
	case s.Steal > maxSteal:
		return fmt.Sprintf("the host stole %.1f %% of a core", 100*s.Steal)
	case s.OthersThere > maxOthers:
		return fmt.Sprintf("others used %.0f %% of the server's core", 100*s.OthersThere)
	case s.OthersHere > 2*maxOthers || s.DriverWait > maxWait && s.OthersHere > maxOthers:
		return fmt.Sprintf("others used %.0f %% of the driver's core", 100*s.OthersHere)
	case d == maximum && s.ServerShare() < 0.95 && s.DriverShare() > 0.90:
		return fmt.Sprintf("the driver was the bottleneck: it used %.0f %% of its core, the server %.0f %%", 100*s.DriverShare(), 100*s.ServerShare())
	case d == share && s.DriverShare() > 0.90:
		return fmt.Sprintf("the driver was short of time: %.0f %% of its core", 100*s.DriverShare())
	}
	return ""
}

// worse is what two spans of one round came to at their worst.
func (s span) worse(o span) span {
	return span{
		Wall: s.Wall + o.Wall, Server: s.Server + o.Server, Driver: s.Driver + o.Driver, Steal: max(s.Steal, o.Steal),
		OthersHere: max(s.OthersHere, o.OthersHere), OthersThere: max(s.OthersThere, o.OthersThere), DriverWait: max(s.DriverWait, o.DriverWait),
	}
}

// badness orders disturbed rounds where too few good ones came.
func (s span) badness() float64 { return s.Steal + s.OthersThere + s.OthersHere }
