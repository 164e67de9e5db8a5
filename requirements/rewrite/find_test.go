package rewrite

import "testing"

func TestReads(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		glob, name string
		want       bool
	}{
		{"**", "a.txt", true},
		{"**", "a.in", true},
		{"**", "b/pyproject.toml", true},
		{"**", "a.toml", false},
		{"**", "README.md", false},
		{"?.md", "a.md", false},
		{"[ab].md", "a.md", false},
		{`\a.md`, "a.md", false},
		{"a.md", "a.md", true},
		{"*/a.md", "b/a.md", true},
		{"a.md", "b.md", false},
		{"a.txt", "b/a.txt", false},
		{"*.txt", "b/a.txt", false},
		{"**/a.md", "a.md", true},
		{"**/a.md", "b/c/a.md", true},
		{"b/**", "c/a.txt", false},
		{"b/**/a.md", "b/c/d/a.md", true},
		{"b/*/a.md", "b/a.md", false},
	} {
		if got := reads(tt.glob, tt.name); got != tt.want {
			t.Errorf("reads(%q, %q) = %t", tt.glob, tt.name, got)
		}
	}
}

// TestMayContain keeps directories out of the walk that hold nothing of a glob.
func TestMayContain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		glob, dir string
		want      bool
	}{
		{"**", "a/b", true},
		{"a.txt", "a", false},
		{"a.txt", "a.txt", false},
		{"*.txt", "a", false},
		{"a/b.txt", "a", true},
		{"a/b.txt", "b", false},
		{"a/b.txt", "a/b.txt", false},
		{"a/b/c.txt", "a/b", true},
		{"a/b/c.txt", "a/c", false},
		{"a/*/c.txt", "a/c", true},
		{"a/**", "a", true},
		{"a/**", "a/b/c", true},
		{"a/**", "b", false},
	} {
		if got := mayContain(tt.glob, tt.dir); got != tt.want {
			t.Errorf("mayContain(%q, %q) = %t", tt.glob, tt.dir, got)
		}
	}
}
