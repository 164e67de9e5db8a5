package wheel

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"hash"
	"io"

	"github.com/sparkwheel/sparkwheel/wheel/internal/zip"
)

// File is one member of a wheel, a directory or a plain file.
type File struct {
	r     *Reader
	index int32
}

func (f File) member() *zip.Member { return &f.r.archive.Members[f.index] }

// Path is the member's path in the archive; that of a directory ends in a slash.
func (f File) Path() string { return f.member().Name }

// Size is the content's length in bytes.
func (f File) Size() int64 { return f.member().Size }

// IsDir says whether the member is a directory.
func (f File) IsDir() bool { return f.member().IsDir() }

// Executable says whether the archive gives anyone the right to execute it.
func (f File) Executable() bool { return f.member().Executable() }

// Entry is the file's row in RECORD; ok is false where there is none, as for
// directories.
func (f File) Entry() (e Entry, ok bool) {
	if row := f.r.rows[f.index]; row >= 0 {
		return f.r.Record[row], true
	}
	return Entry{}, false
}

// CRC32 is the checksum of the content that the archive promises.
func (f File) CRC32() uint32 { return f.member().CRC32 }

// SHA256 is the digest that RECORD promises, or nil.
func (f File) SHA256() []byte {
	if e, ok := f.Entry(); ok {
		if h, sum, err := e.Sum(); err == nil && h == crypto.SHA256 {
			return sum
		}
	}
	return nil
}

// Open reads the content. Where CRC-32, size or RECORD's hash turn out wrong,
// the last Read gives a *VerifyError instead of io.EOF. The caller closes it.
func (f File) Open() io.ReadCloser {
	v := &verified{f: f, src: f.r.archive.Open(f.member())}
	if e, ok := f.Entry(); ok {
		if h, sum, err := e.Sum(); err == nil && h != 0 {
			v.hash, v.want = h.New(), sum
		}
	}
	return v
}

// Content is Open without RECORD: CRC-32 and size alone are held against the
// content.
func (f File) Content() io.ReadCloser { return f.r.archive.Open(f.member()) }

// Deflate gives the content as the archive holds it, when that is deflated:
// the whole of it is one raw RFC 1951 stream. crc32 and sha256 are those of the
// inflated content as archive and RECORD promise them (sha256 nil where RECORD
// has none); nothing is verified yet. For a member that is stored, compressed
// otherwise or hashed otherwise, err is errors.ErrUnsupported. The stream needs no closing.
func (f File) Deflate() (raw io.Reader, crc32 uint32, sha256 []byte, err error) {
	m, sum := f.member(), f.SHA256()
	// What has another hash can be verified by Open alone.
	if e, ok := f.Entry(); m.Method != zip.Deflate || sum == nil && ok && e.Hash != "" {
		return nil, 0, nil, errors.ErrUnsupported
	}
	return f.r.archive.Raw(m), m.CRC32, sum, nil
}

// verified is the content of a file on its way through RECORD's hash.
type verified struct {
	f    File
	src  io.ReadCloser
	hash hash.Hash
	want []byte
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.src.Read(p)
	if v.hash != nil {
		v.hash.Write(p[:n])
	}
	if err == nil {
		return n, nil
	}
	var fs faults
	if content, ok := errors.AsType[*zip.ContentError](err); ok {
		fs.add(content.Code, content.Path, content.Message)
	}
	if err == io.EOF && v.hash != nil {
		if got := v.hash.Sum(nil); subtle.ConstantTimeCompare(got, v.want) == 0 {
			fs.addf("record-hash", v.f.Path(), "the content has the hash %s, but RECORD says %s", v.spell(got), v.spell(v.want))
		}
	}
	if fault := fs.err(v.f.r.Filename.String()); fault != nil {
		return n, fault
	}
	return n, err
}

// spell is a hash as RECORD writes it.
func (v *verified) spell(sum []byte) string {
	name := "sha256"
	for _, h := range hashes {
		if h.hash.Size() == len(sum) {
			name = h.name
		}
	}
	return name + "=" + base64.RawURLEncoding.EncodeToString(sum)
}

func (v *verified) Close() error { return v.src.Close() }

// HashSHA256 reads the content once and returns its SHA-256. It verifies the
// content as Open does.
func (f File) HashSHA256() ([]byte, error) {
	h := sha256.New()
	c := f.Open()
	defer c.Close()
	if _, err := io.Copy(h, c); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}
