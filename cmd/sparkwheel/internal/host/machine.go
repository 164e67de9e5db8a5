package host

// Architectures are those that wheels are built for, as OCI and Go name them.
var Architectures = [...]string{"amd64", "arm64"}

// Machine is what uname and wheels call the processor of one of Architectures;
// "" for any other.
func Machine(architecture string) string {
	switch architecture {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return ""
}
