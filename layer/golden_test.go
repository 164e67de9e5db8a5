package layer_test

// goldenDigests are of the tree in TestWriteGoldenDigest.
var goldenDigests = map[string]string{
	"gzip":            "sha256:310e629b3486636fe0ca49df3f158652c8162558f5edc68fde79bff36cbe7f5c",
	"gzip-recompress": "sha256:d85d1f317e41157692d5412d5aa7ab6a23158386d6088c7bd2885642479a6124",
	"none":            "sha256:d025d24b23cd2a98142997698f0fc874c25d708d2ffca7235377e9fa9878bd88",
	"zstd":            "sha256:73bd01b8622e17c1c46a7272a7b5f193992a71b3133d12b0ef9db5296b5ecaca",
}
