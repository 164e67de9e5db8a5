package truth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
)

// Repair makes METADATA tell the truth: each Requires-Dist that one of faults
// (of Built) is about is pinned to what the build used; every other byte stays.
// The changes name file. A fault that is in no Requires-Dist is an error.
func Repair(file string, metadata []byte, faults []Fault, used []Used) ([]byte, []requirements.Change, error) {
	var out bytes.Buffer
	var changes []requirements.Change
	mended := map[string]bool{}
	for header := range headers(metadata) {
		after, requirement, err := repairHeader(header, faults, used)
		if err != nil {
			return nil, nil, fmt.Errorf("repairing %s: %w", file, err)
		}
		out.WriteString(after)
		if after == header.text {
			continue
		}
		mended[requirement] = true
		changes = append(changes, requirements.Change{
			File: file, Line: header.line, Before: strings.TrimRight(header.text, "\r\n"),
			After: strings.TrimRight(after, "\r\n"), Rule: "repair",
		})
	}
	for _, f := range faults {
		if !mended[f.Requirement] {
			return nil, nil, fmt.Errorf("repairing %s: it has no Requires-Dist: %s", file, f.Requirement)
		}
	}
	return out.Bytes(), changes, nil
}

// header is a header of METADATA with its continuation lines and line break, or
// the whole body.
type header struct {
	line int // from 1
	text string
	body bool
}

func headers(metadata []byte) func(func(header) bool) {
	return func(yield func(header) bool) {
		rest := string(metadata)
		for line := 1; rest != ""; {
			n := lineEnd(rest, 0)
			for n < len(rest) && (rest[n] == ' ' || rest[n] == '\t') {
				n = lineEnd(rest, n)
			}
			h := header{line: line, text: rest[:n]}
			if strings.TrimRight(h.text, "\r\n") == "" {
				yield(header{line, rest, true})
				return
			}
			if !yield(h) {
				return
			}
			line += strings.Count(h.text, "\n")
			rest = rest[n:]
		}
	}
}

func lineEnd(s string, from int) int {
	if i := strings.IndexByte(s[from:], '\n'); i >= 0 {
		return from + i + 1
	}
	return len(s)
}

// repairHeader returns the header as it should be, and the requirement it held.
func repairHeader(h header, faults []Fault, used []Used) (after, requirement string, err error) {
	key, value, ok := strings.Cut(h.text, ":")
	if h.body || !ok || !strings.EqualFold(key, "Requires-Dist") {
		return h.text, "", nil
	}
	value = strings.TrimLeft(value, " \t")
	before := h.text[:len(h.text)-len(value)]
	text := strings.TrimRight(value, " \t\r\n")
	after = value[len(text):]
	text = strings.Join(strings.Fields(text), " ")
	r, err := requirements.ParseRequirement(text)
	if err != nil {
		return h.text, "", nil // not one that a fault is about
	}
	if !slices.ContainsFunc(faults, func(f Fault) bool { return f.Code == CodeBuiltAgainst && f.Requirement == r.String() }) {
		return h.text, "", nil
	}
	for _, u := range used {
		if u.Name == r.Name {
			pinned, err := requirements.Pin(text, Pin(u.Version))
			return before + pinned + after, r.String(), err
		}
	}
	return "", "", fmt.Errorf("the build used no %s", r.Name)
}

// RepairRecord returns RECORD with the row of path set to the digest and size of
// content; every other byte stays. A RECORD without that row is an error.
func RepairRecord(record []byte, path string, content []byte) ([]byte, error) {
	sum := sha256.Sum256(content)
	var out bytes.Buffer
	found := false
	for line := range strings.Lines(string(record)) {
		row, err := csv.NewReader(strings.NewReader(line)).Read()
		if err != nil || row[0] != path {
			out.WriteString(line)
			continue
		}
		if len(row) != 3 || found {
			return nil, fmt.Errorf("repairing RECORD: %q has not one row of three fields", path)
		}
		found = true
		text := strings.TrimRight(line, "\r\n")
		name, ok := strings.CutSuffix(text, ","+row[1]+","+row[2])
		if !ok {
			return nil, fmt.Errorf("repairing RECORD: the row of %q is quoted in a way that is not kept", path)
		}
		fmt.Fprintf(&out, "%s,sha256=%s,%s%s", name, base64.RawURLEncoding.EncodeToString(sum[:]),
			strconv.Itoa(len(content)), line[len(text):])
	}
	if !found {
		return nil, errors.New("repairing RECORD: it has no row of " + path)
	}
	return out.Bytes(), nil
}
