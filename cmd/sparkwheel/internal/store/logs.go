package store

import (
	"fmt"
	"os"
	"time"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// logAge is how long the logs of a run are kept.
const logAge = 30 * 24 * time.Hour

// RunLogs is the directory for the logs of a run that begins now: no two runs
// share one. It is made by the first log. The logs of runs that ended more than
// thirty days ago are removed.
func (s Store) RunLogs(now time.Time) string {
	runs, err := os.ReadDir(s.Path("logs"))
	if err == nil {
		for _, run := range runs {
			if info, err := run.Info(); err == nil && now.Sub(info.ModTime()) > logAge {
				_ = sandbox.RemoveAll(s.Path("logs", run.Name()))
			}
		}
	}
	return s.Path("logs", fmt.Sprintf("%s-%d", now.UTC().Format("20060102T150405.000Z"), os.Getpid()))
}
