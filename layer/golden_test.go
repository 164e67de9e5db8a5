package layer_test

// goldenDigests are of the tree in TestWriteGoldenDigest.
var goldenDigests = map[string]string{
	"gzip":            "sha256:f3e400001ea1634adeaf4a4e4f6c5727840d88d7a632024688bab7085f318719",
	"gzip-recompress": "sha256:2346ab33d6e8ec041b03de2fe5490e65e6bc2b8425901c705fa1e1e7d9aa73d3",
	"none":            "sha256:542a853c281f321ae07327622e24d23338d0138ef18e71d12fc4ec4cac527e91",
	"zstd":            "sha256:1aef869d84421c6e338c483a1425243e34dddccd4abdfe8cbc2d83fe9315275e",
}
