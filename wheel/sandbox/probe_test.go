package sandbox

import (
	"errors"
	"testing"
)

func TestProbeAgreesWithRun(t *testing.T) {
	t.Parallel()
	got := Probe(t.Context())
	err := (&Sandbox{Root: "/"}).Run(t.Context(), Command{Args: []string{"/bin/true"}})
	if (got.Namespaces == nil) != (err == nil) {
		t.Errorf("Probe says %v, Run says %v", got.Namespaces, err)
	}
	if n, ok := errors.AsType[*NamespaceError](got.Namespaces); got.Namespaces != nil && (!ok || n.Step == "") {
		t.Errorf("Probe.Namespaces = %#v, want a *NamespaceError with its step", got.Namespaces)
	}
	if got.Memory == "" {
		t.Error("Probe.Memory is empty")
	}
	t.Logf("%+v", got)
}
