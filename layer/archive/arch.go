package archive

import (
	"archive/tar"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/internal/contextio"
)

// errNoProgram is what a tar without one ELF file in its bin directories is.
var errNoProgram = errors.New("it has no program in usr/bin, usr/local/bin or bin that shows its architecture")

// architecture is what usr/bin/python3 of the tar in blob is built for, in the
// words of an image config. The name may be a link: any python3 will do, and
// another program when there is none.
func architecture(ctx context.Context, blob *layer.Blob) (string, error) {
	rc, err := blob.Uncompressed()
	if err != nil {
		return "", err
	}
	defer rc.Close()
	other := ""
	for tr := tar.NewReader(contextio.NewReader(ctx, rc)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", fmt.Errorf("reading its tar: %w", err)
		}
		dir, base := path.Split(path.Clean(strings.TrimLeft(h.Name, "/")))
		switch dir {
		case "usr/bin/", "usr/local/bin/", "bin/":
		default:
			continue
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		arch := elfArchitecture(tr)
		if strings.HasPrefix(base, "python3") && arch != "" {
			return arch, nil
		}
		if other == "" {
			other = arch
		}
	}
	if other == "" {
		return "", errNoProgram
	}
	return other, nil
}

// elfArchitecture reads e_machine of an ELF header; "" for all else.
func elfArchitecture(r io.Reader) string {
	var head [20]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:4]) != elf.ELFMAG {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	switch elf.Machine(order.Uint16(head[18:])) {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_386:
		return "386"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_PPC64:
		return "ppc64le"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_RISCV:
		return "riscv64"
	default:
		return ""
	}
}
