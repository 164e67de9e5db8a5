package git

// MirrorNames are the entries of Mirrors.Dir that hold what was fetched from
// url, whether they are there or not: what must stay so that it need not be
// fetched again.
func MirrorNames(url string) []string {
	key := mirrorKey(url)
	return []string{key + ".git", key + ".history.git"}
}
