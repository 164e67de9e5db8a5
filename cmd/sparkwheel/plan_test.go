package main

import (
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

func TestPlanTellsWhatTheLastBuildTook(t *testing.T) {
	t.Parallel()
	got := planText([]stage.Look{
		{Name: "base", Hit: true, Objects: 9},
		{Name: "wheel vllm", Reason: "environment was A, is B", BytesToFetch: 3 << 20, LastSeconds: 1926, Objects: 359, CUDAObjects: 346},
		{Name: "wheel one", Reason: "never made in this store", Objects: 1},
	})
	want := "wheel vllm: environment was A, is B; downloads 3.0 MiB; last took 32m06s; last compiled 359 objects, 346 for a GPU\n" +
		"wheel one: never made in this store; last compiled 1 object, 0 for a GPU"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
