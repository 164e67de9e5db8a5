// Command demo shows sparkwheel's main job on one machine, with real sources
// and nothing outside but the Python index and the distribution's packages:
// `make demo` runs it. See README.
package main

func main() {}
