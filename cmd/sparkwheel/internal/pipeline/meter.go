package pipeline

import (
	"sync"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// meter adds up the progress of several downloads.
type meter struct {
	mu     sync.Mutex
	done   []int64
	sum    int64
	total  int64
	report func(done, total int64)
}

func newMeter(pins []index.Pin, report func(done, total int64)) *meter {
	m := &meter{done: make([]int64, len(pins)), report: report}
	for _, p := range pins {
		m.total += p.Size
	}
	return m
}

func (m *meter) part(i int) func(done, total int64) {
	return func(done, _ int64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.sum += done - m.done[i]
		m.done[i] = done
		m.report(m.sum, m.total)
	}
}
