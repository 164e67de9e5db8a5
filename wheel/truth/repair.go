package truth

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/internal/header"
)

// Repair makes METADATA tell the truth: each Requires-Dist that one of faults
// (of Built) is about is pinned to what the build used; every other byte stays.
// The changes name file. A fault that is in no Requires-Dist is an error.
func Repair(file string, metadata []byte, faults []Fault, used []Used) ([]byte, []requirements.Change, error) {
	var out bytes.Buffer
	var changes []requirements.Change
	mended := map[string]bool{}
	body := metadata
	for h, err := range header.All(bytes.NewReader(metadata), maxMetadata) {
		if err != nil {
			return nil, nil, fmt.Errorf("repairing %s: %w", file, err)
		}
		body = body[len(h.Text):]
		after, requirement, err := repairHeader(h, faults, used)
		if err != nil {
			return nil, nil, fmt.Errorf("repairing %s: %w", file, err)
		}
		out.WriteString(after)
		if after == h.Text {
			continue
		}
		mended[requirement] = true
		changes = append(changes, requirements.Change{
			File: file, Line: h.Line, Before: strings.TrimRight(h.Text, "\r\n"),
			After: strings.TrimRight(after, "\r\n"), Rule: "repair",
		})
	}
	out.Write(body)
	for _, f := range faults {
		if !mended[f.Requirement] {
			return nil, nil, fmt.Errorf("repairing %s: it has no Requires-Dist: %s", file, f.Requirement)
		}
	}
	return out.Bytes(), changes, nil
}

// repairHeader returns the header as it should be, and the requirement it held.
func repairHeader(h header.Header, faults []Fault, used []Used) (after, requirement string, err error) {
	if key, ok := h.Key(); !ok || !strings.EqualFold(key, "Requires-Dist") {
		return h.Text, "", nil
	}
	before, text, after := h.Cut()
	text = strings.Join(strings.Fields(text), " ")
	r, err := requirements.ParseRequirement(text)
	if err != nil {
		return h.Text, "", nil //nolint:nilerr // not one that a fault is about
	}
	if !slices.ContainsFunc(faults, func(f Fault) bool { return f.Code == CodeBuiltAgainst && f.Requirement == r.String() }) {
		return h.Text, "", nil
	}
	for _, u := range used {
		if u.Name == r.Name {
			pinned, err := requirements.Pin(text, Pin(u.Version))
			return before + pinned + after, r.String(), err
		}
	}
	return "", "", fmt.Errorf("the build did not use %s", r.Name)
}

// RepairRecord returns RECORD with the row of path set to the digest and size of
// content; every other byte stays. A RECORD without that row is an error.
func RepairRecord(record []byte, path string, content []byte) ([]byte, error) {
	sum := sha256.New()
	sum.Write(content)
	row := wheel.HashEntry(path, sum, int64(len(content)))
	var out bytes.Buffer
	found := false
	for line := range strings.Lines(string(record)) {
		old, err := csv.NewReader(strings.NewReader(line)).Read()
		if err != nil || old[0] != path {
			out.WriteString(line)
			continue
		}
		if len(old) != 3 || found {
			return nil, fmt.Errorf("repairing RECORD: %q has not one row of three fields", path)
		}
		found = true
		text := strings.TrimRight(line, "\r\n")
		name, ok := strings.CutSuffix(text, ","+old[1]+","+old[2])
		if !ok {
			return nil, fmt.Errorf("repairing RECORD: the row of %q is quoted in an unsupported way", path)
		}
		fmt.Fprintf(&out, "%s,%s,%d%s", name, row.Hash, row.Size, line[len(text):])
	}
	if !found {
		return nil, errors.New("repairing RECORD: it has no row of " + path)
	}
	return out.Bytes(), nil
}
