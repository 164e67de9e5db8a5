package layer_test

// goldenDigests are of the tree in TestWriteGoldenDigest.
var goldenDigests = map[string]string{
	"gzip":            "sha256:aeb0c548114098f772602cf8417ebeb7a6059d5f71c8275162486af02bd1ebd4",
	"gzip-recompress": "sha256:57809a0fe4096cf79755cba7a032db9fecdb8113ab707a4d347c0734cbf70b20",
	"none":            "sha256:d025d24b23cd2a98142997698f0fc874c25d708d2ffca7235377e9fa9878bd88",
	"zstd":            "sha256:7fe9b87a27898e2181f865e7d341151eab18f1e3950bce2a10060f1b4d6a5b63",
}
