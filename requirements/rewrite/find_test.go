package rewrite

import "testing"

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		glob, name string
		want       bool
	}{
		{"a.txt", "a.txt", true},
		{"a.txt", "b/a.txt", false},
		{"a.txt", "a.txt/b", false},
		{"a/b", "a", false},
		{"*.txt", "a.txt", true},
		{"*.txt", "b/a.txt", false},
		{"**", "a", true},
		{"**", "a/b/c", true},
		{"**/a.txt", "a.txt", true},
		{"**/a.txt", "b/a.txt", true},
		{"**/a.txt", "b/c/a.txt", true},
		{"**/a.txt", "b/c/d.txt", false},
		{"b/**", "b/a.txt", true},
		{"b/**", "c/a.txt", false},
		{"b/**/a.txt", "b/c/d/a.txt", true},
		{"b/*/a.txt", "b/c/a.txt", true},
		{"b/*/a.txt", "b/a.txt", false},
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
	} {
		if got := match(tt.glob, tt.name); got != tt.want {
			t.Errorf("match(%q, %q) = %t", tt.glob, tt.name, got)
		}
	}
}

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
