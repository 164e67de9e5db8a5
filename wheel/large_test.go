package wheel_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// The memory that any wheel may cost, whatever is in it.
const memoryLimit = 100 << 20

// hugeSize is a member that needs zip64, hugeCRC and hugeHash those of so many zeros.
const (
	hugeSize = 1<<32 + 1
	hugeCRC  = 0x41d912ff
	hugeHash = "sha256=-7gvezU2drtWLrghV_zw6kLDZJLKE-5W2_gsCLaALFw"
)

// large are wheels that must be read in little memory, with the fault to
// expect, or "".
var large = []struct {
	name  string
	write func(t *testing.T, path string)
	code  string
}{
	{"more than 65535 members", many(66_000), ""},
	{"more than 250000 members", many(250_001), "archive"},
	{"member of more than 4 GiB", hugeMember, ""},
	{"RECORD of ghosts", ghosts, "record"},
	{"METADATA of one line", bigText("METADATA", "Name: x\nVersion: 1.0\nSummary: "), "metadata"},
	{"entry points of one line", bigText("entry_points.txt", "[console_scripts]\n"), "entry-points"},
	{"deep directories", deep, "too-many-directories"},
	{"bomb", zeros, "bomb"},
	{"little said, much in the stream", func(t *testing.T, path string) {
		w := wheeltest.New(filepath.Base(path), "x.py", "x")
		w.Find("x.py").Packed = wheeltest.Deflate(strings.Repeat("\x00", 16<<20))
		w.Write(t, filepath.Dir(path))
	}, "size"},
}

// TestLarge verifies each in a process of its own, so that one can say what it took.
func TestLarge(t *testing.T) {
	t.Parallel()
	for _, tt := range large {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x-1.0-py3-none-any.whl")
			tt.write(t, path)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVerifyAlone$", "-test.v")
			cmd.Env = append(os.Environ(), "VERIFY_ALONE="+path, "VERIFY_WANT="+tt.code)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			} else if _, after, ok := strings.Cut(string(out), "peak "); ok {
				t.Logf("peak %s", strings.SplitN(after, "\n", 2)[0])
			}
		})
	}
}

// TestVerifyAlone is the process that TestLarge starts: it verifies one wheel
// and fails where Go's memory rose above the limit.
func TestVerifyAlone(t *testing.T) {
	path, want := os.Getenv("VERIFY_ALONE"), os.Getenv("VERIFY_WANT")
	if path == "" {
		t.Skip("started by TestLarge")
	}
	stop, peak := make(chan bool), make(chan uint64)
	go func() {
		most := uint64(0)
		for {
			most = max(most, memory())
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	_, err := wheel.Verify(t.Context(), path)
	stop <- true
	if most := <-peak; most > memoryLimit {
		t.Errorf("took %d MiB, the limit is %d", most>>20, memoryLimit>>20)
	} else {
		t.Logf("peak %d MiB", most>>20)
	}
	if want == "" && err != nil {
		t.Error(err)
	}
	if want != "" && !strings.Contains(strings.Join(codes(t, err), " "), want) {
		t.Errorf("got codes %v, want %s among them", codes(t, err), want)
	}
}

// memory is what the Go runtime holds of the system and has not given back.
func memory() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// zipWheel writes a wheel with the standard library's zip writer: METADATA and
// WHEEL, what add writes, and a RECORD of the rows that add returns.
func zipWheel(t *testing.T, path string, add func(*zip.Writer) string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(&sparse{f: f})
	w := wheeltest.New(filepath.Base(path))
	rows := add(z)
	for _, m := range w.Members {
		if !strings.Contains(rows, m.Name+",") {
			create(t, z, m.Name, m.Content)
			rows += wheeltest.Row(m.Name, m.Content)
		}
	}
	create(t, z, w.DistInfo()+"RECORD", rows+w.DistInfo()+"RECORD,,\n")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, z *zip.Writer, name, content string) {
	t.Helper()
	c, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, content); err != nil {
		t.Fatal(err)
	}
}

// sparse writes a block of zeros as a hole.
type sparse struct{ f *os.File }

var block = make([]byte, 1<<20)

func (s *sparse) Write(p []byte) (int, error) {
	if len(p) == len(block) && &p[0] == &block[0] {
		_, err := s.f.Seek(int64(len(p)), io.SeekCurrent)
		return len(p), err
	}
	return s.f.Write(p)
}

// members writes n stored members of one byte each, and returns their rows.
func members(t *testing.T, z *zip.Writer, n int) string {
	t.Helper()
	content := []byte("x")
	sum := crc32.ChecksumIEEE(content)
	row := wheeltest.Row("", "x")
	var rows strings.Builder
	for i := range n {
		name := fmt.Sprintf("x/a_directory_of_some_length_%d/and_its_module%d.py", i%300, i)
		c, err := z.CreateRaw(&zip.FileHeader{Name: name, CRC32: sum, CompressedSize64: 1, UncompressedSize64: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(content); err != nil {
			t.Fatal(err)
		}
		rows.WriteString(name + row)
	}
	return rows.String()
}

func many(n int) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		zipWheel(t, path, func(z *zip.Writer) string { return members(t, z, n) })
	}
}

func hugeMember(t *testing.T, path string) {
	zipWheel(t, path, func(z *zip.Writer) string {
		const descriptor = 8 // where zip.Writer puts 64-bit sizes
		c, err := z.CreateRaw(&zip.FileHeader{
			Name: "x/kernels.so", Flags: descriptor, CRC32: hugeCRC, CompressedSize64: hugeSize, UncompressedSize64: hugeSize,
		})
		if err != nil {
			t.Fatal(err)
		}
		for range hugeSize / len(block) {
			if _, err := c.Write(block); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
		create(t, z, "x/after.py", "x")
		return fmt.Sprintf("x/kernels.so,%s,%d\n", hugeHash, int64(hugeSize)) + wheeltest.Row("x/after.py", "x")
	})
}

func ghosts(t *testing.T, path string) {
	zipWheel(t, path, func(*zip.Writer) string { return strings.Repeat("x/ghost.py,,\n", 121_500) })
}

func bigText(name, start string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		w := wheeltest.New(filepath.Base(path))
		if name == "METADATA" {
			w.Members = w.Members[1:]
		}
		w.Add(w.DistInfo()+name, start+strings.Repeat("x", 8<<20))
		w.Write(t, filepath.Dir(path))
	}
}

func deep(t *testing.T, path string) {
	w := wheeltest.New(filepath.Base(path))
	for i := range 1000 {
		w.Add(fmt.Sprintf("x%d/%s", i, strings.Repeat("a/", 1500)), "")
	}
	w.Write(t, filepath.Dir(path))
}

// zeros is 40 GiB in 40 MiB: one block of compressed zeros after another.
func zeros(t *testing.T, path string) {
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, 9)
	if err != nil {
		t.Fatal(err)
	}
	var stream []byte
	for range 3 {
		b.Reset()
		if _, err := z.Write(block); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
		stream = append(stream, b.Bytes()...)
	}
	stream = append(stream, bytes.Repeat(b.Bytes(), 40<<10)...)
	w := wheeltest.New(filepath.Base(path))
	for i := range 11 {
		m := w.Add(fmt.Sprintf("x/%d.bin", i), "x")
		m.Local = func(h *wheeltest.Header) { h.Size = 0xfffffff0 }
		m.Central = m.Local
	}
	w.Find("x/0.bin").Packed = stream
	w.Write(t, filepath.Dir(path))
}
